"""Worth: how long the worth of every channel takes, with intervals, and in how much memory.

    python -m benchmarks.worth --structures 26000 --samples 4096
    python -m benchmarks.worth --coverage

The factor is random: channels of very different sizes, many of them nearly combinations of others.
The peak of memory is that of the whole process, with torch and the factor. `--coverage` says how
often intervals from a part of the data hold the worth from all of it, on the networks that
`benchmarks.fidelity` has stored.
"""

import argparse
import resource
import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.fidelity import NETWORKS
from benchmarks.options import CONSOLE
from benchmarks.scoring import Criterion, Scoring, analysis
from narrows.arrays import Floats
from narrows.methods.partial_sums import PartialSums
from narrows.verdict.worth import worth

BATCHES = 64
PATTERNS = 500
"""How many patterns the structures are mixed from, besides their own noise."""
AT_ONCE = 1000
SEEDS = 3


def random_sums(structures: int, samples: int) -> PartialSums:
    """Return partial sums whose factor is random, [samples, structures], in float32."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((samples, PATTERNS), np.float32)
    factor = np.empty((samples, structures), np.float32)
    for start in range(0, structures, AT_ONCE):
        part = factor[:, start : start + AT_ONCE]
        mix = rng.standard_normal((PATTERNS, part.shape[1]), np.float32) / PATTERNS**0.5
        noise = rng.standard_normal(part.shape, np.float32)
        sizes = np.power(10, rng.uniform(-2, 0, part.shape[1])).astype(np.float32)
        part[:] = (patterns @ mix + 0.3 * noise) * sizes
    of_batch = np.full(BATCHES, samples // BATCHES)
    return PartialSums(np.zeros(BATCHES), of_batch, factor=factor)


def peak() -> float:
    """Return the most memory that the process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def coverage(parts: int) -> str:
    """Return how often intervals from a part of the data hold the worth from all of it."""
    held, ratios = [], []
    recipes = [replace(recipe, seed=seed) for recipe in NETWORKS for seed in range(SEEDS)]
    scorings = [Scoring(recipe, Criterion("sosp_i", "channel")) for recipe in recipes]
    stored = [scoring for scoring in scorings if scoring.path.exists()]
    for scoring in stored:
        found = analysis(scoring.recipe, scoring.criterion)
        sums, channels = found.partial_sums, found.channels
        cases = {layer.own.tobytes(): layer.name for layer in channels.layers if len(layer.own)}
        for part in range(parts):
            few = worth(sums.chosen(np.arange(len(sums)) % parts == part))
            assert few is not None
            for name in cases.values():
                of_few, of_all = few.of_layers(channels)[name], found.layer_worth[name]
                if of_few.worth is None or of_few.worth_interval is None or not of_all.worth:
                    continue
                low, high = of_few.worth_interval
                held.append(low <= of_all.worth <= high)
                ratios.append(of_few.worth / of_all.worth)
    return (
        f"{len(stored)} networks, 1/{parts} of the data: {np.mean(held):.0%} of {len(held)} "
        f"intervals hold the worth from all data, which is {1 / np.mean(ratios):.2f} × as large"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--structures", type=int, default=26_000)
    parser.add_argument("--samples", type=int, default=4096, help="a multiple of 64")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--coverage", action="store_true", help="of intervals, on networks of benchmarks.fidelity"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.coverage:
        for parts in (4, 2):
            CONSOLE.print(coverage(parts))
        return
    sums = random_sums(options.structures, options.samples)
    before, began = peak(), time.perf_counter()
    found = worth(sums, torch.device(options.device))
    seconds = time.perf_counter() - began
    assert found is not None
    spread: Floats = np.quantile(found.of_structures, [0.1, 0.5, 0.9])
    CONSOLE.print(
        f"{options.structures:,} structures, {options.samples:,} samples, {len(found.without)} "
        f"groups, {options.device}: {seconds:.1f} s, peak {peak():.2f} GB (before: {before:.2f} "
        f"GB); worth at 10, 50 and 90 %: {', '.join(f'{w:.3g}' for w in spread)}"
    )


if __name__ == "__main__":
    main()
