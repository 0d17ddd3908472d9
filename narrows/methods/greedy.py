"""Parts of the greedy orders: the Gram matrix of a factor, and how many structures go at once."""

import numpy as np
from numpy.typing import NDArray

from narrows.arrays import Floats

FORMED = 6000
"""The most structures for which the S × S matrix is formed: 0.3 GB."""
BLOCKS = 100
"""The number of blocks of removals for more structures."""


def block_size(structures: int, blocks: int | None) -> int:
    """Return the number of structures removed in one greedy step: `⌈structures / blocks⌉`.

    >>> block_size(300, None), block_size(300, 20), block_size(40_000, None)
    (1, 15, 400)
    """
    if blocks is None:
        blocks = structures if structures <= FORMED else BLOCKS
    return -(-structures // blocks)


class Gram:
    """`Q = factorᵀ factor` of shape [S, S]; if it is too large to form, its columns on demand.

    >>> gram = Gram(np.array([[1.0, 2.0], [0.0, -1.0]]))
    >>> gram.column(1), gram.diagonal, gram.times(np.array([1.0, 1.0]))
    (array([2., 5.]), array([1., 5.]), array([3., 7.]))
    """

    def __init__(self, factor: NDArray[np.floating], *, form: bool = True) -> None:
        small = factor.shape[1] <= FORMED
        self._factor = factor.astype(np.float64) if small else factor
        self._formed = self._factor.T @ self._factor if small and form else None
        self.diagonal: Floats = np.einsum("rs,rs->s", factor, factor, dtype=np.float64)

    def column(self, structure: int) -> Floats:
        """Return `Q[:, structure]`, of shape [S]."""
        return self._columns(np.array([structure]))[:, 0]

    def absolute_sum(self, structures: NDArray[np.int64]) -> Floats:
        """Return `Σ_s |Q[:, s]|` [S] over the given structures.

        >>> Gram(np.array([[1.0, -1.0]])).absolute_sum(np.array([0, 1]))  # Q = [[1, −1], [−1, 1]]
        array([2., 2.])
        """
        result: Floats = np.abs(self._columns(structures)).sum(1)
        return result

    def times(self, vector: Floats) -> Floats:
        """Return `Q vector` [S], a Gauss–Newton product, in the factor's precision.

        With a vector of another precision, numpy would convert the whole factor each time.
        """
        along = self._factor @ vector.astype(self._factor.dtype)
        result: Floats = (self._factor.T @ along).astype(np.float64)
        return result

    def _columns(self, structures: NDArray[np.int64]) -> Floats:
        if self._formed is not None:
            formed: Floats = self._formed[:, structures]
            return formed
        result: Floats = self._factor.T @ self._factor[:, structures]
        return result
