"""A batch of samples, as the methods take it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of some samples; random numbers are drawn for them from `seed`."""

    inputs: tuple[Tensor, ...]
    targets: Tensor
    seed: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def generator(self) -> Generator:
        """Return the source of this batch's random numbers, from its start."""
        return torch.Generator().manual_seed(self.seed)

    def split(self, size: int) -> list["Batch"]:
        """Return batches of at most so many samples, in order."""
        return [self.part(start, start + size) for start in range(0, len(self), size)]

    def part(self, start: int, stop: int) -> "Batch":
        """Return the batch of the samples `start` … `stop − 1`."""
        inputs = tuple(x[start:stop] for x in self.inputs)
        return Batch(inputs, self.targets[start:stop], self.seed + start)


def batch_seed(seed: int, start: int) -> int:
    """Return the seed of the batch that begins with sample `start`, whatever the sharding."""
    return int(np.random.SeedSequence([seed, start]).generate_state(1)[0])
