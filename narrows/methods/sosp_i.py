"""SOSP-I: how much structures matter to each other, pair by pair.

Nonnenmacher et al., ICLR 2022: `λ_I(M) = Σ_{s∈M} |θ_s·g| + ½ Σ_{s,s'∈M} |θ_sᵀ H_GN θ_s'|` for a set
M of structures to remove, which grows by the structure that adds least.

See docs/method.md, "Definitions".
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
    """Return the greedy order of removal; a saliency is what a structure adds when it goes.

    At each step goes the structure that adds least, over its cost. In `options.blocks`, S / blocks
    go at each step. None: one at each, as far as the matrix fits.

    >>> import numpy as np
    >>> factor = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.1]])
    >>> order(Averages(0.0, {"first": np.zeros(3)}, factor))
    PruningOrder(saliency=array([0.5  , 1.5  , 0.605]), rank=array([0, 2, 1]))
    """
    gram = Gram(averages.factor)
    adds: Floats = np.abs(averages.means["first"]) + 0.5 * gram.diagonal
    count = len(adds)
    size = block_size(count, options.blocks)
    saliency, rank, gone = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.bool_)
    for start in range(0, count, size):
        left = np.where(gone, np.inf, adds / costs)
        chosen = np.array([np.argmin(left)])
        if size > 1:
            chosen = np.argsort(left, kind="stable")[: min(size, count - start)]
        gone[chosen] = True
        saliency[chosen], rank[chosen] = adds[chosen], start + np.arange(len(chosen))
        adds = adds + gram.absolute_sum(chosen)
    return PruningOrder(saliency, rank)
