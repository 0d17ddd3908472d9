"""SOSP-I: the second order of the loss over pairs of structures.

Nonnenmacher et al., ICLR 2022: `λ_I(M) = Σ_{s∈M} |θ_s·g| + ½ Σ_{s,s'∈M} |θ_sᵀ H_GN θ_s'|` for a set
M of structures to remove, which grows by the structure that adds least.

See docs/method.md, "Definitions".
"""

import numpy as np

from narrows.arrays import Floats, Ints
from narrows.methods import ties
from narrows.methods.criterion import DEFAULTS, MethodOptions
from narrows.methods.greedy import Gram, block_size
from narrows.methods.partial_sums import Averages
from narrows.methods.ranking import PruningOrder, order_of_removal


def order(
    averages: Averages, costs: Floats | float = 1.0, options: MethodOptions = DEFAULTS
) -> PruningOrder:
    """Return the greedy order of removal; a saliency is what a structure adds to λ_I when it goes.

    Each step removes the structure that adds least for its cost, `costs` [S]. With `options.blocks`
    each step removes S / blocks structures. None: one a step, if the matrix fits.

    Below, the first structure adds ½ · 1. The second is parallel to it, so it adds ½ · 1.5² + 1.5
    then, and the third, ½ · 1.1², goes before it.

    >>> import numpy as np
    >>> factor = np.array([[1.0, 1.5, 0.0], [0.0, 0.0, 1.1]])
    >>> order(Averages(0.0, {"first": np.zeros(3)}, factor))[:2]
    (array([0.5  , 2.625, 0.605]), array([0, 2, 1]))
    """
    gram = Gram(averages.factor)
    adds: Floats = np.abs(averages.means["first"]) + 0.5 * gram.diagonal
    count = len(adds)
    size, priority = block_size(count, options.blocks), ties.priorities(count, options.seed)
    scale = ties.largest(np.asarray(adds / costs))
    saliency, by, removed = np.zeros(count), np.zeros(count), np.zeros(count, np.bool_)
    steps: list[Ints] = []
    for _ in range(0, count, size):
        increase = np.where(removed, np.inf, adds / costs)
        if size == 1:
            chosen = np.array([ties.lowest(increase, priority, scale)])
        else:
            left = np.flatnonzero(~removed)
            chosen = left[ties.sorted_with_ties(increase[left], priority[left], scale)[:size]]
        removed[chosen] = True
        saliency[chosen], by[chosen] = adds[chosen], increase[chosen]
        steps.append(chosen)
        adds = adds + gram.absolute_sum(chosen)
    return order_of_removal(saliency, by, np.concatenate(steps), scale)
