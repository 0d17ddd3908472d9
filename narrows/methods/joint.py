"""Joint: the change of the loss that the second order predicts for a whole set.

For a set M of structures to remove, `Δ(M) = −θ_M·g + ½ θ_Mᵀ H_GN θ_M`; M grows by the structure
that keeps |Δ| least. Ours, beyond the paper: signs are kept, so what one removal spoils another
mends.

See docs/method.md, "Definitions" and "Gates".
"""

import numpy as np

from narrows.arrays import Floats
from narrows.methods.criterion import DEFAULTS, MethodOptions
from narrows.methods.greedy import Gram, block_size
from narrows.methods.partial_sums import Averages
from narrows.methods.ranking import PruningOrder


def order(
    averages: Averages, costs: Floats | float = 1.0, options: MethodOptions = DEFAULTS
) -> PruningOrder:
    """Return the greedy order of removal; a saliency is |Δ| when the structure goes.

    In `options.blocks`, each of S / blocks removals, the product `H_GN θ_M` is made once a block:
    then the matrix need not be formed, and structures of one block don't see each other. None:
    every removal is a block of its own, as far as the matrix fits. With costs, the structure goes
    that adds least to |Δ| for its cost.

    >>> factor = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 0.9]])
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
    saliency, rank = np.zeros(count), np.zeros(count, np.int64)
    for place in range(count):
        if size > 1 and place % size == 0:
            together = gram.times(removed.astype(np.float64))
        steps = (np.abs(change + alone + together) - abs(change)) / cost
        steps[removed] = np.inf
        chosen = int(np.argmin(steps))
        change += alone[chosen] + together[chosen]
        removed[chosen] = True
        saliency[chosen], rank[chosen] = abs(change), place
        if size == 1:
            together = together + gram.column(chosen)
    return PruningOrder(saliency, rank)
