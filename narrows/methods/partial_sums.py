"""Partial sums: everything that a method needs of the data, computed batch by batch.

See docs/method.md, "Gates".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from narrows.arrays import Floats
from narrows.losses import Count


class NothingMeasuredError(ValueError):
    """The data say nothing about the structures."""


@dataclass(frozen=True)
class Averages:
    """The averages over a set of samples.

    `means` holds vectors of shape [S] by name, those that the method needs: `first` is θ_s·g and
    `second` θ_s·(Hθ_struc), both in units of the loss. `factor` [R, S] is a factor of the
    Gauss–Newton matrix along structures: `θ_sᵀ H_GN θ_s' = (factorᵀ factor)[s, s']`.
    """

    loss: float
    means: Mapping[str, Floats]
    factor: NDArray[np.floating]


@dataclass(frozen=True)
class PartialSums:
    """Sums over samples, one row a batch, in float64.

    `loss[b]` is the sum of the loss over the `samples[b]` samples of batch b, `sums[name][b, s]`
    that of the quantity `name` of structure s. Of these samples, `counted[b]` count and
    `correct[b]` are right (`losses.Count`). `factor` [R, S] has equally many rows for each
    sample, in their order: `factorᵀ factor` is the sum of the samples' Gauss–Newton matrices.

    >>> first, second = (one_row(x, 1, first=np.array([[x, 0.0]])) for x in (2.0, 4.0))
    >>> both = PartialSums.stack([first, second])
    >>> both.averages.loss, both.averages.means["first"]
    (3.0, array([3., 0.]))
    >>> both.chosen(np.array([False, True])).loss
    array([4.])
    """

    loss: Floats
    samples: NDArray[np.int64]
    sums: Mapping[str, Floats] = field(default_factory=dict)
    factor: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    counted: Floats = field(default_factory=lambda: np.empty(0))
    correct: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """Count every sample, and none as right or wrong, where nothing else is said."""
        if len(self.counted) != len(self.samples):
            object.__setattr__(self, "counted", self.samples.astype(np.float64))
        if len(self.correct) != len(self.samples):
            object.__setattr__(self, "correct", np.full(len(self.samples), np.nan))

    @classmethod
    def stack(cls, parts: Iterable["PartialSums"]) -> "PartialSums":
        """Join the rows of several shards, in their order.

        >>> len(PartialSums.stack([one_row(1.0, 1), one_row(2.0, 1)]))
        2
        """
        parts = list(parts)
        return cls(
            np.concatenate([part.loss for part in parts]),
            np.concatenate([part.samples for part in parts]),
            {name: np.concatenate([part.sums[name] for part in parts]) for name in parts[0].sums},
            np.concatenate([part.factor for part in parts]),
            np.concatenate([part.counted for part in parts]),
            np.concatenate([part.correct for part in parts]),
        )

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.samples)

    def in_one_row(self) -> "PartialSums":
        """Return the sums of the rows, as if all samples had been one batch.

        >>> sums = PartialSums.stack([one_row(1.0, 3), one_row(2.0, 4)]).in_one_row()
        >>> sums.loss, sums.samples
        (array([3.]), array([7]))
        """
        sums = {name: rows.sum(0, keepdims=True) for name, rows in self.sums.items()}
        loss, samples = (rows.sum(keepdims=True) for rows in (self.loss, self.samples))
        counted, correct = (rows.sum(keepdims=True) for rows in (self.counted, self.correct))
        return PartialSums(loss, samples, sums, self.factor, counted, correct)

    @cached_property
    def averages(self) -> Averages:
        """The averages over the N samples that count: sums / N, and the factor / √N.

        Rows are added one after the other, so that any partition into shards gives the same bits.
        Raises NothingMeasuredError where no sample counts.
        """
        total = float(_added(self.counted))
        if not total:
            raise NothingMeasuredError(
                "no target counts: every one is -100, the class number that is ignored"
            )
        means = {name: _added(rows) / total for name, rows in self.sums.items()}
        loss = float(_added(self.loss) / total)
        return Averages(loss, means, self.factor / np.float32(np.sqrt(total)))

    def are_finite(self) -> bool:
        """Tell whether every number is finite.

        >>> one_row(1.0, 1).are_finite(), one_row(float("nan"), 1).are_finite()
        (True, False)
        """
        arrays: list[NDArray[Any]] = [self.loss, self.factor, *self.sums.values()]
        return all(bool(np.isfinite(array).all()) for array in arrays)

    def chosen(self, kept: NDArray[np.bool_]) -> "PartialSums":
        """Return the partial sums of the batches with `kept[b]`, a mask of shape [batches]."""
        return PartialSums(
            self.loss[kept],
            self.samples[kept],
            {name: rows[kept] for name, rows in self.sums.items()},
            self.factor[np.repeat(kept, self.rows_of_batches)],
            self.counted[kept],
            self.correct[kept],
        )

    @property
    def rows_of_batches(self) -> NDArray[np.int64]:
        """How many rows of the factor each batch has, [batches]."""
        rows_a_sample = len(self.factor) // max(1, int(self.samples.sum()))
        return self.samples * rows_a_sample

    @property
    def accuracy(self) -> float | None:
        """The share of the samples that are right; None where the loss knows no right and wrong.

        >>> one_row(1.0, 4, count=Count(counted=4, correct=3)).accuracy
        0.75
        """
        share = float(_added(self.correct) / _added(self.counted))
        return share if isfinite(share) else None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads, by name.

        >>> arrays = one_row(1.0, 1, first=np.ones((1, 2))).to_arrays()
        >>> list(arrays)
        ['loss', 'samples', 'factor', 'counted', 'correct', 'sum_first']
        >>> PartialSums.of_arrays(arrays).sums
        {'first': array([[1., 1.]])}
        """
        sums = {f"sum_{name}": rows for name, rows in self.sums.items()}
        own = ("loss", "samples", "factor", "counted", "correct")
        return {**{name: getattr(self, name) for name in own}, **sums}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "PartialSums":
        """Return the partial sums that `to_arrays` wrote; older ones have no counts."""
        sums = {n.removeprefix("sum_"): np.asarray(a, np.float64)
                for n, a in arrays.items() if n.startswith("sum_")}  # fmt: skip
        return cls(
            np.asarray(arrays["loss"], np.float64),
            np.asarray(arrays["samples"], np.int64),
            sums,
            np.asarray(arrays["factor"], np.float32),
            *(np.asarray(arrays.get(name, ()), np.float64) for name in ("counted", "correct")),
        )


def _added(rows: Floats) -> Floats:
    """Add the rows up one after the other."""
    result: Floats = np.cumsum(rows, axis=0)[-1]
    return result


def one_row(
    loss: float,
    samples: int,
    factor: Tensor | None = None,
    count: Count | None = None,
    **sums: Tensor | Floats,
) -> PartialSums:
    """Return the partial sums of one batch, from [samples or 1, S] each, added up in float64.

    `count` says how many samples count and are right; by default all count.

    >>> one_row(5.0, 2, first=np.array([[1.0, 2.0], [3.0, 4.0]])).sums["first"]
    array([[4., 6.]])
    """
    arrays = {} if factor is None else {"factor": factor.float().numpy(force=True)}
    rows = {name: _sum(of_samples) for name, of_samples in sums.items()}
    counted, correct = count or Count(samples)
    return PartialSums(
        np.array([loss]),
        np.array([samples]),
        rows,
        counted=np.array([counted]),
        correct=np.array([correct]),
        **arrays,
    )


def _sum(of_samples: Tensor | Floats) -> Floats:
    array = of_samples.numpy(force=True) if isinstance(of_samples, Tensor) else of_samples
    result: Floats = np.atleast_2d(array).sum(0, keepdims=True, dtype=np.float64)
    return result
