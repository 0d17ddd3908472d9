"""Does it pay to widen a network, train it, and prune it back? The paper's Figure 3.

    python -m benchmarks.expand_prune --seeds 5

Small networks for 8×8 images, with a planted narrow layer, are trained from scratch as they are
(`original`), and with the widths of `double`, `uniform` and `advise` (the last two with 25 % more
parameters), pruned back to at most the original's parameters in the middle, and trained on. All
have the same number of steps. The plans come from an analysis of a network that another seed has
trained. Each run is stored (in the cache folder, NARROWS_BENCHMARKS), so that a stop loses none.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.expand_prune_runs import Network, networks, read, train
from narrows.trials.result import RunResult
from narrows.vocabulary import ORIGINAL

VARIANTS = (ORIGINAL, "uniform.expand_prune", "double.expand_prune", "advise.expand_prune")


@dataclass(frozen=True)
class Row:
    """The results of a variant, each with that of the original, the same network and seed."""

    variant: str
    pairs: tuple[tuple[RunResult, RunResult], ...]

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table: means, and gains with their standard errors."""
        own = [b for _, b in self.pairs]
        size = np.mean([b.parameters / a.parameters for a, b in self.pairs])
        return (
            self.variant,
            str(len(self.pairs)),
            f"{size:.3f}",
            f"{_mean([r.loss for r in own]):.4f}",
            f"{_mean([r.accuracy for r in own]):.2%}",
            _with_error(
                [_known(a.loss) - _known(b.loss) for a, b in self.pairs], "{:+.4f} ± {:.4f}"
            ),
            _with_error(
                [100 * (_known(b.accuracy) - _known(a.accuracy)) for a, b in self.pairs],
                "{:+.2f} ± {:.2f}",
            ),
            f"{np.mean([_known(b.loss) < _known(a.loss) for a, b in self.pairs]):.0%}",
        )


def rows(network: Network, seeds: Sequence[int]) -> Iterator[Row]:
    """Yield a row for each variant, of those runs that are stored, as is that of the original."""
    for name in VARIANTS:
        pairs = [(read(network, ORIGINAL, seed), read(network, name, seed)) for seed in seeds]
        yield Row(name, tuple((a, b) for a, b in pairs if a and b))


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([_known(value) for value in values]))


def _with_error(values: Sequence[float], form: str) -> str:
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return form.format(float(np.mean(values)), float(error))


def table(network: Network, found: Sequence[Row]) -> Table:
    columns = ("variant", "runs", "size", "loss", "accuracy", "gain", "accuracy gain", "wins")
    result = Table(*columns, title=str(network))
    for row in found:
        if row.pairs:
            result.add_row(*row.cells())
    return result


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    chosen, seeds = networks(), range(options.seeds)
    for seed in () if options.table else seeds:  # a stop leaves all networks with as many seeds
        for network in chosen:
            for variant in VARIANTS:
                train(network, variant, seed)
    console = Console(width=120)
    for network in chosen:
        console.print(table(network, list(rows(network, seeds))))


def _options() -> argparse.Namespace:
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--seeds", type=int, default=5, metavar="N")
    result.add_argument("--table", action="store_true", help="print what is stored, train nothing")
    return result.parse_args()


if __name__ == "__main__":
    main()
