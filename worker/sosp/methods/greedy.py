"""Columns of a Gram matrix, as greedy orders of removal need them."""

import numpy as np

from worker.sosp.terms import Floats

FORMED = 6000
"""Up to so many structures the matrix is formed: 0.3 GB."""


class Gram:
    """`Q = factorᵀ factor` of shape [S, S], formed where it fits, else computed column by column.

    >>> gram = Gram(np.array([[1.0, 2.0], [0.0, 1.0]]))
    >>> gram.column(1), gram.diagonal, gram.times(np.array([1.0, 1.0]))
    (array([2., 5.]), array([1., 5.]), array([3., 7.]))
    """

    def __init__(self, factor: Floats, formed: int = FORMED) -> None:
        self._factor = factor
        self._formed = factor.T @ factor if factor.shape[1] <= formed else None
        self.diagonal: Floats = np.einsum("rs,rs->s", factor, factor)

    def column(self, structure: int) -> Floats:
        """Return `Q[:, structure]`."""
        if self._formed is not None:
            formed: Floats = self._formed[structure]
            return formed
        result: Floats = self._factor.T @ self._factor[:, structure]
        return result

    def times(self, vector: Floats) -> Floats:
        """Return `Q vector`, a Gauss–Newton product."""
        result: Floats = self._factor.T @ (self._factor @ vector)
        return result
