"""Equal saliencies: their mean rank, and who of them goes first, drawn by the seed.

Single precision tells saliencies apart down to a part in 2²³ of the largest; closer ones are equal.

See docs/method.md, "Ties".
"""

import numpy as np

from narrows.arrays import Floats, Ints

EPSILON = 2.0**-23
"""The rounding of single precision, in which saliencies are computed."""
ROUNDINGS = 8
"""How many roundings of its own size may separate two computations of one saliency."""


def largest(values: Floats) -> float:
    """Return the largest size of the values; 0.0 without any."""
    return float(np.abs(values).max(initial=0.0))


def tolerance(values: Floats, scale: float) -> Floats:
    """Return how far other values may be and still count as equal, for each value.

    `scale` is the largest saliency of a structure alone.

    >>> tolerance(np.array([0.0, 2.0**23]), scale=2.0**23)
    array([1., 9.])
    """
    result: Floats = EPSILON * (scale + ROUNDINGS * np.abs(values))
    return result


def priorities(count: int, seed: int) -> Ints:
    """Return a random permutation [count]: among equals, the lowest goes first.

    >>> sorted(priorities(4, seed=0).tolist())
    [0, 1, 2, 3]
    """
    return np.random.default_rng(seed).permutation(count)


def lowest(values: Floats, priority: Ints, scale: float) -> int:
    """Return the index of the lowest value; among those equal to it, of the lowest priority.

    >>> lowest(np.array([5.0, 1.0, 1.0]), np.array([0, 2, 1]), scale=5.0)
    2
    """
    least = values.min(keepdims=True)
    equal = np.flatnonzero(values <= least + tolerance(least, scale))
    return int(equal[np.argmin(priority[equal])])


def sorted_with_ties(values: Floats, priority: Ints, scale: float) -> Ints:
    """Return the indices in the order of the values, [S], equals in that of their priority.

    >>> sorted_with_ties(np.array([1.0, 0.0, 1.0]), np.array([2, 1, 0]), scale=1.0)
    array([1, 2, 0])
    """
    order = np.argsort(values, kind="stable")
    run = np.empty(len(values), np.int64)
    run[order] = runs(values[order], scale)
    result: Ints = np.lexsort((priority, run))
    return result


def runs(values: Floats, scale: float) -> Ints:
    """Return the number of the run that each value [S] belongs to, in their order.

    All values of a run are equal to its first.

    >>> runs(np.array([1.0, 1.0, 1.2, 1.4]), scale=0.3 * 2**23)
    array([0, 0, 0, 1])
    """
    slack = tolerance(values, scale)
    close = np.abs(np.diff(values)) <= slack[:-1]
    starts = np.concatenate([[True], ~close])
    for begin in np.flatnonzero(starts & np.concatenate([close, [False]])).tolist():
        first, place = begin, begin + 1
        while place < len(values) and close[place - 1]:  # a chain may reach further than one run
            if abs(values[place] - values[first]) > slack[first]:
                starts[place], first = True, place
            place += 1
    result: Ints = np.cumsum(starts) - 1
    return result


def mean_ranks(values: Floats, scale: float) -> Floats:
    """Return the mean of the places 0, 1, … of each run, for values in the order of removal, [S].

    >>> mean_ranks(np.array([0.0, 0.0, 0.0, 4.0]), scale=4.0)
    array([1., 1., 1., 3.])
    """
    run = runs(values, scale)
    places = np.bincount(run, np.arange(len(values))) / np.bincount(run)
    result: Floats = places[run]
    return result
