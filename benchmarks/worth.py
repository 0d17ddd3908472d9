"""Worth: how long the worth of every channel takes, with intervals, and in how much memory.

    python -m benchmarks.worth --structures 26000 --samples 4096

The factor is random: channels of very different sizes, many of them nearly combinations of others.
The peak of memory is that of the whole process, with torch and the factor.
"""

import argparse
import resource
import time

import numpy as np
import torch

from benchmarks.options import CONSOLE
from narrows.arrays import Floats
from narrows.methods.partial_sums import PartialSums
from narrows.verdict.worth import worth

BATCHES = 64
PATTERNS = 500
"""How many patterns the structures are mixed from, besides their own noise."""
AT_ONCE = 1000


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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--structures", type=int, default=26_000)
    parser.add_argument("--samples", type=int, default=4096, help="a multiple of 64")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
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
