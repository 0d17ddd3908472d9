"""Tries Narrows on 59 networks that others wrote, and prints the table.

    python -m benchmarks.zoo
    python -m benchmarks.zoo --only timm:resnet50 --only transformers:electra/tensor
    python -m benchmarks.zoo --family torchvision --again

It needs `pip install timm transformers torchvision`, and downloads nothing: weights are random,
with calibrated batch norms and without dead branches. Each network has a process of its own, with
limits on time and memory. What was found is kept as lines of JSON, so a run that was stopped goes
on. `--only` takes any network of the three libraries.
"""

import argparse
from pathlib import Path

from platformdirs import user_cache_path

from benchmarks.options import CONSOLE
from benchmarks.zoo import table
from benchmarks.zoo.names import NAMES
from benchmarks.zoo.processes import Limits, try_network
from benchmarks.zoo.results import Results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", metavar="LIBRARY:NAME", help="may be repeated")
    parser.add_argument("--family", choices=("torchvision", "timm", "transformers"))
    parser.add_argument("--again", action="store_true", help="try what has been tried before, too")
    parser.add_argument("--seconds", type=float, default=900, help="the time limit of a network")
    parser.add_argument("--memory", type=float, default=8, help="its memory limit, in GiB")
    parser.add_argument("--results", type=Path, default=user_cache_path("narrows") / "zoo.jsonl")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    chosen = options.only or [n for n in NAMES if n.startswith(options.family or "")]
    results = Results(options.results)
    limits = Limits(options.seconds, int(options.memory * 2**30))
    for number, name in enumerate(chosen, start=1):
        if options.again or name not in results:
            CONSOLE.print(f"{number}/{len(chosen)} {name}", style="dim", highlight=False)
            results.add(name, try_network(name, limits))
    rows = {name: results[name] for name in chosen if name in results}
    if options.markdown:
        print(table.markdown(rows))
    else:
        CONSOLE.print(table.rich(rows))
    for line in table.failures(rows):
        CONSOLE.print(line, highlight=False, markup=False)


if __name__ == "__main__":
    main()
