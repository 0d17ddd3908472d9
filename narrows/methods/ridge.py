"""Ridge leverages: how far each column of a factor can be told by all the others.

For a factor F [N, S] and a ridge Λ, the column c has the leverage
`q_c = f_cᵀ (F Fᵀ + Λ I)⁻¹ f_c = 1 − Λ [(FᵀF + Λ I)⁻¹]_cc`. Its rest, `1 − q_c`, lies in (0, 1]: 1
for a column of zeros, near 0 for one that is large and unlike the others. Everything is computed in
double precision, since the rest is what cancellation leaves.

Either of two matrices is inverted: of N × N numbers (by rows), so that no S × S matrix is ever
formed, or of S × S numbers (by columns).

Alaoui and Mahoney, "Fast randomized kernel ridge regression with statistical guarantees", 2015.

See docs/method.md, "Worth".
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DAMPING = 0.1
"""λ over the mean of the diagonal of Q, for what removal costs after all others have adapted."""
AT_ONCE = 2048
"""How many columns, or rows, of the factor are in double precision at once."""


@dataclass(frozen=True)
class Rows:
    """How the rows of a factor are put together: row n is added to row `place[n]` times `sign[n]`.

    >>> rows = Rows.grouped(np.array([0, 1, 0]), most=8)
    >>> rows(torch.tensor([[1.0], [2.0], [3.0]]).double()).tolist()
    [[1.0], [3.0], [2.0]]
    """

    place: Tensor
    sign: Tensor
    starts: tuple[int, ...]
    """Where each group starts, and where the last one ends."""

    @classmethod
    def grouped(cls, group: NDArray[np.int64], most: int) -> "Rows":
        """Put the rows of each group [N] side by side, and add some up if there are too many.

        Random signs keep the mean of FᵀF; with fewer than about `most` rows nothing is added.
        """
        together = -(-len(group) // most)
        counts = np.bincount(group)
        lengths = -(-counts // together)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        order = np.argsort(group, kind="stable")
        within = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
        place = np.empty(len(group), np.int64)
        place[order] = starts[group[order]] + within // together
        sign = np.ones(len(group))
        if together > 1:
            sign = np.random.default_rng(0).choice([-1.0, 1.0], len(group))
        return cls(torch.from_numpy(place), torch.from_numpy(sign), tuple(starts.tolist()))

    def __len__(self) -> int:
        """Return the number of rows that come out."""
        return self.starts[-1]

    def __call__(self, part: Tensor) -> Tensor:
        """Return the rows of `part` [N, columns] put together, [len(self), columns]."""
        result = part.new_zeros(len(self), part.shape[1])
        place, sign = self.place.to(part.device), self.sign.to(part.device)
        return result.index_add_(0, place, part * sign[:, None])


def inverse(matrix: Tensor) -> Tensor:
    """Return the inverse of a positive definite matrix, by its Cholesky factor.

    >>> inverse(torch.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor([[0.2500, 0.0000],
            [0.0000, 0.5000]])
    """
    root = torch.linalg.cholesky(matrix)
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    # Twice as fast as `torch.cholesky_inverse` on GPUs, and ten times on CPUs.
    inverse_root = torch.linalg.solve_triangular(root, identity, upper=False)
    result: Tensor = inverse_root.T @ inverse_root
    return result


def columns_of(
    factor: NDArray[np.floating], device: torch.device
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the factor's columns in double precision, [N, at most AT_ONCE], with their place.

    >>> [(place, part.shape) for place, part in columns_of(np.ones((2, 3)), torch.device("cpu"))]
    [(slice(0, 3, None), torch.Size([2, 3]))]
    """
    for start in range(0, factor.shape[1], AT_ONCE):
        place = slice(start, min(start + AT_ONCE, factor.shape[1]))
        # A copy: torch takes no arrays that can't be written to.
        yield place, torch.from_numpy(factor[:, place].astype(np.float64)).to(device)


def solved(
    factor: NDArray[np.floating], ridge: float, device: torch.device, rows: Rows | None = None
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Yield the columns F and Y = (F Fᵀ + ridge · I)⁻¹ F, part by part, with their place.

    The inverse comes with each part. `rows` says how the factor's rows are first put together.

    >>> factor = np.diag([1.0, 2.0])
    >>> ((_, part, solution, _),) = solved(factor, 1.0, torch.device("cpu"))
    >>> (part * solution).sum(0)  # leverages
    tensor([0.5000, 0.8000], dtype=torch.float64)
    """

    def parts() -> Iterator[tuple[slice, Tensor]]:
        for place, part in columns_of(factor, device):
            yield place, rows(part) if rows else part

    count = len(rows) if rows else len(factor)
    matrix = torch.zeros(count, count, dtype=torch.float64, device=device)
    for _, part in parts():
        matrix.addmm_(part, part.T)
    matrix.diagonal().add_(ridge)
    matrix = inverse(matrix)
    for place, part in parts():
        yield place, part, matrix @ part, matrix


def gram(factor: NDArray[np.floating], device: torch.device) -> Tensor:
    """Return FᵀF of shape [S, S].

    >>> gram(np.array([[1.0, 2.0]]), torch.device("cpu"))
    tensor([[1., 2.],
            [2., 4.]], dtype=torch.float64)
    """
    columns = factor.shape[1]
    result = torch.zeros(columns, columns, dtype=torch.float64, device=device)
    for start in range(0, len(factor), AT_ONCE):
        part = torch.from_numpy(factor[start : start + AT_ONCE].astype(np.float64)).to(device)
        result.addmm_(part.T, part)
    return result


def squares(factor: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the squared length of each column, the diagonal of FᵀF, [S]."""
    result: NDArray[np.float64] = np.einsum("rs,rs->s", factor, factor, dtype=np.float64)
    return result
