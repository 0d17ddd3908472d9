"""Joint: the change of the loss that the second order predicts for a whole set.

For a set M of structures to remove, `Δ(M) = −θ_M·g + ½ θ_Mᵀ H_GN θ_M`; M grows by the structure
that keeps |Δ| least. This method is not from the paper. Signs are kept, so one removal can make up
for another.

See docs/method.md, "Definitions" and "Gates".
"""

import numpy as np

from narrows.arrays import Floats
from narrows.methods import ties
from narrows.methods.criterion import DEFAULTS, MethodOptions
from narrows.methods.greedy import Gram, block_size
from narrows.methods.partial_sums import Averages
from narrows.methods.ranking import PruningOrder, order_of_removal


def order(
    averages: Averages, costs: Floats | float = 1.0, options: MethodOptions = DEFAULTS
) -> PruningOrder:
    """Return the greedy order of removal; a saliency is |Δ| when the structure goes.

    With `options.blocks`, the product `H_GN θ_M` is computed once a block of S / blocks removals.
    Then the matrix need not be formed, and a removal ignores the others of its block. None: each
    removal is a block of its own, if the matrix fits. With `costs` [S], the next removal is the one
    that adds least to |Δ| for its cost.

    Below, the third structure goes first: it adds ½ · 0.9². The first then adds ½, and the second,
    which cancels it, ½ · 1.1² − 1.1.

    >>> factor = np.array([[1.0, -1.1, 0.0], [0.0, 0.0, 0.9]])
    >>> order(Averages(0.0, {"first": np.zeros(3)}, factor)).rank
    array([1, 2, 0])
    """
    count = len(averages.means["first"])
    size = block_size(count, options.blocks)
    gram = Gram(averages.factor, form=size == 1)
    cost = np.broadcast_to(np.asarray(costs, np.float64), (count,))
    removed, change = np.zeros(count, np.bool_), 0.0
    alone = 0.5 * gram.diagonal - averages.means["first"]
    together = np.zeros(count)
    saliency, by, order = np.zeros(count), np.zeros(count), np.zeros(count, np.int64)
    priority, scale = ties.priorities(count, options.seed), ties.largest(alone / cost)
    for step in range(count):
        if size > 1 and step % size == 0:
            together = gram.times(removed.astype(np.float64))
        increase = (np.abs(change + alone + together) - abs(change)) / cost
        increase[removed] = np.inf
        chosen = ties.lowest(increase, priority, scale)
        change += alone[chosen] + together[chosen]
        removed[chosen] = True
        saliency[chosen], by[chosen], order[step] = abs(change), increase[chosen], chosen
        if size == 1:
            together = together + gram.column(chosen)
    return order_of_removal(saliency, by, order, scale)
