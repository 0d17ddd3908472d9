"""What a loss is: its value, its curvature, and how many samples count."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import torch
from torch import Generator, Tensor

IGNORED = -100
"""The class number of targets that do not count, such as padding (torch's own convention)."""


LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(outputs [batch, …], targets) → scalar: the sum over the batch of each sample's loss."""


class Count(NamedTuple):
    """How many samples of a batch count, and how many of these are right (NaN: no such thing).

    A sample with several targets is divided: one of which half count is half a sample.
    """

    counted: float
    correct: float = nan


def count_all(_outputs: Tensor, targets: Tensor) -> Count:
    return Count(len(targets))


@dataclass(frozen=True)
class Loss:
    """A loss and its curvature.

    `value(outputs, targets)` is the sum over the batch of each sample's loss, the mean over its
    targets, where those that do not count add 0; divided by the samples that count, it is torch's
    mean. `columns` yields the exact c_k, each of the outputs' shape; `draw` returns a random c for
    every sample. A loss without them has no Gauss–Newton matrix, so `sosp_i`, `joint` and `obs`
    refuse it.
    `count` counts the samples; by default all of them. `by_program` says that the network's output
    is the loss.

    >>> from narrows.losses import LOSSES
    >>> mse, outputs = LOSSES["mse"], torch.tensor([[1.0, 3.0]])
    >>> mse(outputs, torch.zeros(1, 2))  # (1² + 3²) / 2
    tensor(5.)
    >>> list(mse.columns(outputs, torch.zeros(1, 2)))  # R = 2/2 on the diagonal
    [tensor([[1., 0.]]), tensor([[0., 1.]])]
    """

    value: LossFunction
    columns: Callable[[Tensor, Tensor], Iterator[Tensor]] | None = None
    draw: Callable[[Tensor, Tensor, Generator], Tensor] | None = None
    count: Callable[[Tensor, Tensor], Count] = count_all
    by_program: bool = False

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.value(outputs, targets)


def signs(like: Tensor, generator: Generator) -> Tensor:
    return torch.randint(2, like.shape, generator=generator).to(like) * 2 - 1


def each(like: Tensor) -> Iterator[Tensor]:
    """Yield the tensors of the shape of `like` with a single 1, at each index in turn."""
    yield from torch.eye(like.numel(), dtype=like.dtype, device=like.device).view(-1, *like.shape)
