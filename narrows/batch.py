"""Batches of samples, the input of every method."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of some samples, [batch, …] each, and the seed of their random numbers.

    `target_input` is the index of the input that holds the targets, in a program that returns its
    loss.

    >>> batch = Batch((torch.arange(5),), torch.arange(5), seed=10)
    >>> [(part.targets.tolist(), part.seed) for part in batch.split(2)]
    [([0, 1], 10), ([2, 3], 12), ([4], 14)]
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    seed: int = 0
    target_input: int | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def generator(self) -> Generator:
        """Return a new generator of random numbers with this batch's seed.

        >>> batch = Batch((), torch.zeros(1), seed=3)
        >>> a, b = (torch.rand(4, generator=batch.generator()) for _ in range(2))
        >>> torch.equal(a, b)
        True
        """
        return torch.Generator().manual_seed(self.seed)

    def with_first(self, first: Tensor) -> "Batch":
        """Return the batch with another first input, such as an augmented one.

        >>> Batch((torch.zeros(1),), torch.zeros(1)).with_first(torch.ones(1)).inputs
        (tensor([1.]),)
        """
        return replace(self, inputs=(first, *self.inputs[1:]))

    def split(self, size: int) -> list["Batch"]:
        """Return the batch in parts of at most `size` samples, in order."""
        return [self.part(start, start + size) for start in range(0, len(self), size)]

    def part(self, start: int, stop: int) -> "Batch":
        """Return the batch of the samples `start` … `stop − 1`; its seed is `seed + start`.

        >>> Batch((), torch.arange(5)).part(1, 3).targets
        tensor([1, 2])
        """
        inputs = tuple(x[start:stop] for x in self.inputs)
        return replace(
            self, inputs=inputs, targets=self.targets[start:stop], seed=self.seed + start
        )

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        inputs = tuple(x.to(device) for x in self.inputs)
        return replace(self, inputs=inputs, targets=self.targets.to(device))

    def with_targets(self, targets: Tensor) -> "Batch":
        """Return the batch with other targets, also where they are an input.

        >>> batch = Batch((torch.ones(1), torch.zeros(1)), torch.zeros(1), target_input=1)
        >>> batch.with_targets(torch.tensor([5.0])).inputs
        (tensor([1.]), tensor([5.]))
        """
        inputs = [targets if i == self.target_input else x for i, x in enumerate(self.inputs)]
        return replace(self, inputs=tuple(inputs), targets=targets)


def target_input(inputs: tuple[Tensor, ...], targets: Tensor) -> int | None:
    """Return which of the inputs are the targets themselves, if any are."""
    return next((index for index, x in enumerate(inputs) if x is targets), None)


def batch_seed(seed: int, start: int) -> int:
    """Return the seed of the batch that begins with sample `start`, whatever the sharding.

    It is the first word of numpy's `SeedSequence([seed, start])`.

    >>> batch_seed(0, 64) == batch_seed(0, 64), batch_seed(0, 64) == batch_seed(0, 128)
    (True, False)
    """
    return int(np.random.SeedSequence([seed, start]).generate_state(1)[0])
