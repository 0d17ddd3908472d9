"""How certain a quantity is, from leaving out parts of the data.

The jackknife of groups: batches are dealt to groups, and each group in turn is left out. A quantity
that is a smooth function of averages varies among these replicates by its own standard error over
√(G − 1). Unlike a bootstrap it adds no noise to the saliencies, whose absolute values would turn
noise into size, and needs a tenth of the orders of removal.

Tukey, "Bias and confidence in not quite large samples", 1958.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from narrows.arrays import Floats, Ints
from narrows.methods.greedy import FORMED
from narrows.methods.partial_sums import PartialSums
from narrows.methods.table import Method

GROUPS, FEW_GROUPS = 20, 10
"""How many groups there are, and how many where each takes an order of many structures."""
MIN_BATCHES = 8
"""With fewer, nothing can be said of how certain a verdict is, so none is final."""
CONFIDENCE = 0.95


def replicates(
    method: Method, partial_sums: PartialSums, costs: Floats | float = 1.0
) -> list[Ints]:
    """Return the ranks of all structures, [S], without each group of batches in turn.

    None are returned where there are too few batches.
    """
    if len(partial_sums) < MIN_BATCHES:
        return []
    many = len(partial_sums.averages.means["first"]) > FORMED if partial_sums.factor.size else False
    groups = min(FEW_GROUPS if many else GROUPS, len(partial_sums))
    of_batch = np.arange(len(partial_sums)) % groups
    return [
        method.order(partial_sums.chosen(of_batch != group).averages, costs).rank
        for group in range(groups)
    ]


def interval(
    value: float, without: Sequence[float], low: float = 0.0, high: float = 1.0
) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of a quantity, within its bounds.

    `without` holds the quantity for each group left out; None is returned without any.

    >>> low, high = interval(0.5, [0.49, 0.5, 0.51])
    >>> round(low, 3), round(high, 3)
    (0.45, 0.55)
    """
    groups = len(without)
    if groups < 2:
        return None
    error = np.sqrt((groups - 1) * np.var(without))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1) * error)
    return max(low, value - reach), min(high, value + reach)
