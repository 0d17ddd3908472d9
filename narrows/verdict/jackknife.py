"""Confidence intervals by the jackknife: a quantity is computed anew without parts of the data.

Batches are dealt to G groups, and each group in turn is left out. If the quantity is a smooth
function of averages, the standard deviation of these replicates is its standard error divided by
√(G − 1). Unlike a bootstrap, the jackknife adds no noise to the saliencies, whose absolute values
would turn noise into size, and it needs a tenth of the orders of removal.

Tukey, "Bias and confidence in not quite large samples", 1958.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import stats

from narrows.arrays import Floats, Ints
from narrows.methods.greedy import FORMED
from narrows.methods.partial_sums import PartialSums
from narrows.methods.ranking import PruningOrder
from narrows.methods.table import Method

GROUPS, FEW_GROUPS = 20, 10
"""The number of groups, and that for many structures, where an order takes long."""
MIN_BATCHES = 8
"""With fewer batches there is no interval, so no verdict is certain."""
CONFIDENCE = 0.95

Interval = tuple[float, float]


def replicates(
    method: Method, partial_sums: PartialSums, costs: Floats | float = 1.0
) -> list[PruningOrder]:
    """Return the order of removal without each group of batches in turn.

    The list is empty if there are fewer than `MIN_BATCHES` batches in which a sample counts. Below,
    the second structure has the larger sum because of the last batch alone:

    >>> squares = np.array([[2.0, 1.0]] * 7 + [[0.0, 100.0]])
    >>> sums = PartialSums(np.zeros(8), np.ones(8, int), {"squares": squares})
    >>> [order.rank.tolist() for order in replicates(Method("fisher"), sums)[-2:]]
    [[0, 1], [1, 0]]
    """
    of_batch = groups_of_batches(partial_sums)
    if of_batch is None:
        return []
    return [
        method.order(partial_sums.chosen(of_batch != group).averages, costs)
        for group in range(int(of_batch.max()) + 1)
    ]


def groups_of_batches(partial_sums: PartialSums) -> Ints | None:
    """Return the group of each batch, [batches]; None if fewer than `MIN_BATCHES` count.

    A batch in which no sample counts goes with the one before it.

    >>> groups_of_batches(PartialSums(np.zeros(8), np.ones(8, int))).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    counts = partial_sums.counted > 0
    batches = int(np.count_nonzero(counts))
    if batches < MIN_BATCHES:
        return None
    many = partial_sums.factor.size and partial_sums.factor.shape[1] > FORMED
    groups = min(FEW_GROUPS if many else GROUPS, batches)
    result: Ints = np.maximum(np.cumsum(counts) - 1, 0) % groups
    return result


def interval(
    value: float, without: Sequence[float], low: float = 0.0, high: float = 1.0
) -> Interval | None:
    """Return the 95 % confidence interval of a quantity, clipped to `low` … `high`.

    `without` holds the quantity without each of the G groups; with fewer than two, None is
    returned. The interval is `value ± t √((G − 1) Var(without))`, where t is the quantile of
    Student's t with G − 1 degrees of freedom. Below, t = 4.303 and the standard error is 0.0115:

    >>> low, high = interval(0.5, [0.49, 0.5, 0.51])
    >>> round(low, 3), round(high, 3)
    (0.45, 0.55)
    """
    groups = len(without)
    if groups < 2:
        return None
    reach = float(_quantile(groups) * np.sqrt((groups - 1) * np.var(without)))
    return max(low, value - reach), min(high, value + reach)


@cache
def _quantile(groups: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1))
