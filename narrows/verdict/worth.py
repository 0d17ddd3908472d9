"""Worth: by how much the loss rises without a channel after all others have adapted.

With the Gauss–Newton matrix Q of all gates of all layers, and `λ = 0.1 · mean(diag Q)`, channel c
is worth `w_c = ½ / [(Q + λI)⁻¹]_cc`, in units of the loss: the optimal-brain-surgeon saliency in
gate space. λ is the price at which the other gates move. A layer is worth the upper quartile of its
channels.

Hassibi and Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon", 1992.

See docs/method.md, "Worth".
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from narrows.arrays import Floats, Ints
from narrows.channels.structures import Channels
from narrows.methods import ridge, ties
from narrows.methods.partial_sums import PartialSums
from narrows.verdict.jackknife import Interval, groups_of_batches, interval

QUANTILE = 0.75
"""A layer is worth this quantile of its channels."""
MOST_ROWS = 8192
"""The most rows of a factor; more are added up by random signs, which keeps Q in the mean."""
MOST_COLUMNS = 4096
"""The most structures for which an S × S matrix is inverted, for each group of batches anew."""
CPU = torch.device("cpu")


class LayerWorth(NamedTuple):
    """A layer's worth, in units of the loss, with its 95 % interval, None with too few batches.

    Worth grows with the number of samples, so the interval reaches as far as the jackknife expects
    it to. `worth_ratio` is the worth over that of the network's median layer, None where that is 0.
    """

    worth: float | None = None
    worth_interval: Interval | None = None
    worth_ratio: float | None = None


@dataclass(frozen=True)
class Worth:
    """The worth of each structure, [S], and without each group of batches in turn, [groups, S]."""

    of_structures: Floats
    without: Floats

    def of_layers(self, channels: Channels) -> dict[str, LayerWorth]:
        """Return the worth of each layer, by name; layers with the same structures count once.

        >>> from narrows.example import two_neurons
        >>> worth = Worth(np.array([1.0, 5.0]), np.array([[1.0, 4.9], [1.0, 5.1]]))
        >>> worth.of_layers(two_neurons()[2])["hidden"].worth
        4.0
        """
        own_of = {layer.name: own for layer in channels.layers if len(own := layer.own)}
        cases = {own.tobytes(): own for own in own_of.values()}
        found = {case: self._with_interval(own) for case, own in cases.items()}
        median = float(np.median([worth for worth, _ in found.values()])) if found else 0.0
        layers = {layer.name: LayerWorth() for layer in channels.layers}
        for name, own in own_of.items():
            worth, limits = found[own.tobytes()]
            layers[name] = LayerWorth(worth, limits, worth / median if median else None)
        return layers

    def of(self, own: Ints) -> float:
        """Return the worth of a layer with these structures."""
        return float(np.quantile(self.of_structures[own], QUANTILE))

    def with_replicates(self, own: Ints) -> Floats:
        """Return the worth of a layer, and that without each group of batches, [1 + groups]."""
        every = np.vstack([self.of_structures, self.without])
        result: Floats = np.quantile(every[:, own], QUANTILE, axis=1)
        return result

    def _with_interval(self, own: Ints) -> tuple[float, Interval | None]:
        worth, *without = self.with_replicates(own).tolist()
        limits = interval(worth, without, high=np.inf)
        if limits is None:
            return worth, None
        # Worth grows with samples: with few, others seem to stand in for a channel by chance.
        growth = (len(without) - 1) * (worth - float(np.mean(without)))
        return worth, (max(0.0, limits[0] + min(growth, 0.0)), limits[1] + max(growth, 0.0))


def worth(partial_sums: PartialSums, device: torch.device = CPU) -> Worth | None:
    """Return the worth of each structure; None for methods that keep no factor of Q.

    The larger part is computed on `device`, if it is a GPU with room, or else on the CPU.

    Below, Q is the diagonal matrix of (1, 3) and λ is 0.2:

    >>> factor = np.diag([1.0, 3.0**0.5])
    >>> worth(PartialSums(np.zeros(1), np.ones(1, int), factor=factor)).of_structures
    array([0.6, 1.6])
    """
    if not partial_sums.factor.size:
        return None
    groups = groups_of_batches(partial_sums)
    try:
        return _Problem(partial_sums, groups, device if device.type == "cuda" else CPU).solve()
    except torch.OutOfMemoryError:
        return _Problem(partial_sums, groups, CPU).solve()


class _Problem:
    """The factor F [N, S] of all samples, unscaled: `Q = FᵀF / total`.

    The formulas have `Λ = λ · total` and `[(Q + λI)⁻¹]_cc = total · [(FᵀF + ΛI)⁻¹]_cc`.
    """

    def __init__(self, sums: PartialSums, groups: Ints | None, device: torch.device) -> None:
        self._factor, self._device = sums.factor, device
        of_batch = np.zeros(len(sums), np.int64) if groups is None else groups
        self._group_of_row = np.repeat(of_batch, sums.rows_of_batches)
        self._groups = 0 if groups is None else int(of_batch.max()) + 1
        total = float(sums.counted.sum())
        without = total - np.bincount(of_batch, sums.counted)
        self._totals = np.array([total, *without[: self._groups]])
        """The number of samples: all, and without each group."""
        squares = np.zeros((max(1, self._groups), sums.factor.shape[1]))
        for group in range(len(squares)):
            squares[group] = ridge.squares(self._factor[self._group_of_row == group])
        everything = squares.sum(0)
        left = np.maximum(everything - squares, 0.0)
        self._squares = np.array([everything, *left[: self._groups]])
        self._ridges = ridge.DAMPING * self._squares.mean(1)
        """Λ of all samples, and without each group."""

    def solve(self) -> Worth:
        """Return the worth; 0 for a channel that changes nothing within rounding."""
        rows, columns = self._factor.shape
        # Without a group, rows need no more than a correction, but columns a new inverse.
        by_columns = columns <= MOST_COLUMNS and 2 * columns < rows
        found = self._by_columns() if by_columns else self._by_rows()
        largest = self._squares.max(1, keepdims=True, initial=0.0)
        found[self._squares <= ties.EPSILON * largest] = 0.0
        return Worth(found[0], found[1:])

    def _by_rows(self) -> Floats:
        """Return the worth, of all samples and without each group, [1 + groups, S].

        Without the rows of a group, and with the same Λ, the leverage is `q − y_gᵀ (P_gg)⁻¹ y_g`,
        where P is the inverse and y the solution. With the group's own Λ, w is larger by
        `(Λ_g / Λ)^e`, where `e = d log w / d log Λ = 1 − Λ |y|² / (1 − q)`, to first order.
        """
        found = np.zeros_like(self._squares)
        scale = float(self._ridges[0])
        if not scale:
            return found
        rows = ridge.Rows.grouped(self._group_of_row, MOST_ROWS)
        groups = [slice(*ends) for ends in pairwise(rows.starts)][: self._groups]
        roots: list[Tensor] = []
        relative = torch.from_numpy(self._ridges[1:] / scale).to(self._device)
        for place, part, solution, matrix in ridge.solved(self._factor, scale, self._device, rows):
            roots = roots or [torch.linalg.cholesky(matrix[own, own]) for own in groups]
            rest = 1 - (part * solution).sum(0)
            exponent = 1 - scale * solution.square().sum(0) / rest
            found[0, place] = (0.5 * scale / rest).cpu().numpy()
            for group, own in enumerate(groups):
                moved = torch.linalg.solve_triangular(roots[group], solution[own], upper=False)
                without = 0.5 * scale / (rest + moved.square().sum(0))
                found[1 + group, place] = (without * relative[group] ** exponent).cpu().numpy()
        found /= self._totals[:, None]
        return found

    def _by_columns(self) -> Floats:
        """Return the worth, of all samples and without each group, [1 + groups, S]."""
        found = np.zeros_like(self._squares)
        whole = ridge.gram(self._factor, self._device)
        for case, (scale, size) in enumerate(zip(self._ridges, self._totals, strict=True)):
            if not scale:
                continue
            damped = whole.clone()
            if case:
                damped -= ridge.gram(self._factor[self._group_of_row == case - 1], self._device)
            damped.diagonal().add_(scale)
            found[case] = 0.5 / (size * ridge.inverse(damped).diagonal().cpu().numpy())
        return found
