"""Computes a batch in parts if the device has too little memory for all of it."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from narrows.batch import Batch
from narrows.methods.partial_sums import PartialSums
from worker.hardware.memory import is_out_of_memory

T = TypeVar("T")

log = logging.getLogger(__name__)


def measure_in_microbatches(
    compute: Callable[[Batch], PartialSums], batch: Batch, *, size: int, smallest: int
) -> tuple[PartialSums, int]:
    """Return the partial sums of a batch as one row, and the number of samples in each part.

    That number is `size`, halved whenever memory runs out, down to `smallest`. With one part, the
    row is exactly what `compute` returns. With several, it is their sum in float64, equal except
    for rounding. Raises what `compute` raises if memory is too small for the smallest part.
    """

    def in_parts(size: int) -> PartialSums:
        return PartialSums.stack(map(compute, batch.split(size))).in_one_row()

    return within_memory(in_parts, size=size, smallest=smallest, most=len(batch))


def within_memory(
    compute: Callable[[int], T], *, size: int, smallest: int, most: int
) -> tuple[T, int]:
    """Return `compute(size)` and the size, which is halved whenever memory runs out.

    There are at most `most` samples to compute at once. Raises what `compute` raises if memory is
    too small for `smallest` samples.
    """
    while True:
        try:
            return compute(size), size
        except (RuntimeError, MemoryError) as error:
            halved = (min(size, most) + 1) // 2
            if not is_out_of_memory(error) or halved < smallest or halved == size:
                raise
        log.warning("%d samples at once take too much memory; going on with %d", size, halved)
        size = halved
        torch.cuda.empty_cache()  # the memory of the failed attempt, now that its frames are gone
