"""The samples of a trial: which are held out, and in which order the others are trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from narrows.arrays import Ints
from narrows.trials.errors import TrialError
from narrows.trials.seeds import Stream, numpy_generator

Load = Callable[[Ints], tuple[Tensor | tuple[Tensor, ...], Tensor]]
"""Indices [n] → the input, or all of several, and the targets of these samples, [n, …] each."""


@dataclass(frozen=True)
class TrialData:
    """N samples: their targets [N, …], and what loads some of them.

    >>> import torch
    >>> data = TrialData.of_tensors(torch.arange(3), torch.tensor([5, 6, 7]))
    >>> len(data), data.load(np.array([2, 0]))
    (3, (tensor([2, 0]), tensor([7, 5])))
    """

    targets: NDArray[Any]
    load: Load
    target_input: int | None = None
    """Which input of a program that returns its loss takes the targets; None: the last."""

    @classmethod
    def of_tensors(
        cls,
        inputs: Tensor | tuple[Tensor, ...],
        targets: Tensor,
        target_input: int | None = None,
    ) -> "TrialData":
        """Return the data of tensors, [N, …] each."""

        def load(index: Ints) -> tuple[Tensor | tuple[Tensor, ...], Tensor]:
            if isinstance(inputs, tuple):
                return tuple(x[index] for x in inputs), targets[index]
            return inputs[index], targets[index]

        return cls(targets.numpy(force=True), load, target_input)

    def arguments(self, index: Ints, *, takes_targets: bool) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return what a network takes, with the targets if it returns its loss; and the targets.

        >>> import torch
        >>> data = TrialData.of_tensors(torch.zeros(1), torch.ones(1))
        >>> data.arguments(np.array([0]), takes_targets=True)
        ((tensor([0.]), tensor([1.])), tensor([1.]))
        """
        inputs, targets = self.load(index)
        several = inputs if isinstance(inputs, tuple) else (inputs,)
        if takes_targets:
            at = len(several) if self.target_input is None else self.target_input
            several = (*several[:at], targets, *several[at:])
        return several, targets

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Split:
    """The indices of the samples that are trained on, and of those that are held out."""

    train: Ints
    held_out: Ints


def split(
    targets: NDArray[Any], holdout: float, seed: int, *, classes: bool, most: int | None = None
) -> Split:
    """Return the split of a seed: the same for all variants.

    At most `most` samples are drawn first. With `classes`, where each sample has one class number,
    every class has its share of the samples that are held out, up to rounding.

    >>> of_seed = split(np.array([0] * 8 + [1] * 4), 0.25, seed=3, classes=True)
    >>> (of_seed.held_out < 8).sum(), (of_seed.held_out >= 8).sum()
    (np.int64(2), np.int64(1))

    Raises TrialError where one of the two parts would be empty.
    """
    order = numpy_generator(seed, Stream.SPLIT).permutation(len(targets))[:most]
    count = round(holdout * len(order))
    if not 0 < count < len(order):
        raise TrialError(
            f"{len(order)} samples can't be split: holdout is {holdout:g}. Give more samples"
        )
    stratified = classes and targets.ndim == 1
    chosen = _stratified(targets[order], count) if stratified else np.arange(count)
    held_out = np.zeros(len(order), bool)
    held_out[chosen] = True
    return Split(order[~held_out], order[held_out])


def _stratified(classes: NDArray[Any], count: int) -> Ints:
    """Return `count` positions with about equal shares of every class, by largest remainders."""
    _, of_sample, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    exact = sizes * (count / len(classes))
    quota = np.floor(exact).astype(np.int64)
    quota[np.argsort(quota - exact, kind="stable")[: count - quota.sum()]] += 1
    chosen = [np.flatnonzero(of_sample == c)[:n] for c, n in enumerate(quota)]
    return np.sort(np.concatenate(chosen))


def batches_of_epoch(train: Ints, batch_size: int, seed: int, epoch: int) -> Ints:
    """Return the samples of each step of an epoch, [steps, batch]; what is left over waits.

    Batch norm needs batches of one size. Where there are fewer samples than `batch_size`, all are
    one batch.

    >>> batches_of_epoch(np.arange(7), 3, seed=0, epoch=0).shape
    (2, 3)
    """
    size = min(batch_size, len(train))
    order = numpy_generator(seed, Stream.ORDER, epoch).permutation(train)
    return order[: len(order) // size * size].reshape(-1, size)
