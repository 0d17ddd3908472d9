"""What takes longest to compute from partial sums, so that it can be kept beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.methods.ranking import PruningOrder
from narrows.verdict.worth import Worth


@dataclass(frozen=True)
class Rankings:
    """The order of removal, that without each group of batches in turn, and worth.

    They depend on the method, its blocks and the cost, but not on the pruning ratio or on plans.

    >>> order = PruningOrder(np.array([2.0, 1.0]), np.array([1, 0]), np.array([1.0, 0.0]))
    >>> rankings = Rankings(order, [order], None)
    >>> again = Rankings.of_arrays(rankings.to_arrays())
    >>> again.order.rank, len(again.replicates), again.worth
    (array([1, 0]), 1, None)
    """

    order: PruningOrder
    replicates: list[PruningOrder]
    worth: Worth | None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads: [1 + groups, S] each."""
        orders = [self.order, *self.replicates]
        arrays: dict[str, NDArray[Any]] = {
            name: np.stack([getattr(order, name) for order in orders])
            for name in PruningOrder._fields
        }
        if self.worth is not None:
            arrays["worth"] = np.vstack([self.worth.of_structures, self.worth.without])
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Rankings":
        """Return the rankings that `to_arrays` wrote."""
        columns = [arrays[name] for name in PruningOrder._fields]
        order, *replicates = (PruningOrder(*rows) for rows in zip(*columns, strict=True))
        worth = arrays.get("worth")
        return cls(order, replicates, None if worth is None else Worth(worth[0], worth[1:]))
