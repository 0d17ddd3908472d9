"""SOSP-I: how much structures matter to each other, pair by pair (METHOD §1).

Nonnenmacher et al., ICLR 2022: `λ_I(M) = Σ_{s∈M} |θ_s·g| + ½ Σ_{s,s'∈M} |θ_sᵀ H_GN θ_s'|` for a set
M of structures to remove, which grows by the structure that adds least.
"""

import numpy as np

from worker.sosp.methods.greedy import Gram
from worker.sosp.ranking import Removal
from worker.sosp.terms import Averages, Floats


def order(averages: Averages, prices: Floats | float = 1.0) -> Removal:
    """Return the greedy order of removal; a saliency is what a structure adds when it goes.

    At each step goes the structure that adds least, over its price.

    >>> import numpy as np
    >>> factor = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.1]])
    >>> order(Averages(0.0, {"first": np.zeros(3)}, factor))
    Removal(saliency=array([0.5  , 1.5  , 0.605]), places=array([0, 2, 1]))
    """
    gram = Gram(averages.factor)
    adds: Floats = np.abs(averages.means["first"]) + 0.5 * gram.diagonal
    price = np.broadcast_to(prices, adds.shape)
    saliency, places = np.zeros_like(adds), np.zeros(len(adds), np.int64)
    left = adds / price
    for place in range(len(adds)):
        chosen = int(np.argmin(left))
        saliency[chosen], places[chosen] = adds[chosen], place
        adds = adds + np.abs(gram.column(chosen))
        left = np.where(np.isinf(left), np.inf, adds / price)
        left[chosen] = np.inf
    return Removal(saliency, places)
