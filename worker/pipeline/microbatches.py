"""Computes a batch in parts if the device has too little memory for all of it."""

import logging
from collections.abc import Callable

import torch

from narrows.batch import Batch
from narrows.methods.partial_sums import PartialSums
from worker.hardware.memory import is_out_of_memory

log = logging.getLogger(__name__)


def measure_in_microbatches(
    compute: Callable[[Batch], PartialSums], batch: Batch, *, size: int, smallest: int
) -> tuple[PartialSums, int]:
    """Return the partial sums of a batch as one row, and the number of samples in each part.

    That number is `size`, halved whenever memory runs out, down to `smallest`. With one part, the
    row is exactly what `compute` returns. With several, it is their sum in float64, equal except
    for rounding. Raises what `compute` raises if memory is too small for the smallest part.
    """
    while True:
        try:
            return PartialSums.stack(map(compute, batch.split(size))).in_one_row(), size
        except (RuntimeError, MemoryError) as error:
            halved = (min(size, len(batch)) + 1) // 2
            if not is_out_of_memory(error) or halved < smallest or halved == size:
                raise
        log.warning("%d samples at once take too much memory; going on with %d", size, halved)
        size = halved
        torch.cuda.empty_cache()  # the memory of the failed attempt, now that its frames are gone
