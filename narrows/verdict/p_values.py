"""The probability of ranks so high, or so low, for channels drawn at random.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from scipy import stats

from narrows.arrays import Floats, Ints

EXACT_TEST = 10_000
"""The most pairs of channels with an exact null distribution; for more pairs it is normal."""


def adjusted_p_values(
    mean_rank: Floats, owned: Mapping[bytes, Ints], alternative: Literal["greater", "less"]
) -> dict[bytes, float]:
    """Return the p-value of each case: its ranks against all others (Mann–Whitney), adjusted.

    `mean_rank` [S] are the ranks, NaN for structures that are not compared; `owned` holds the
    structures of each case. The adjustment is that of
    Benjamini and Hochberg. Two of four structures rank highest in one of six ways:

    >>> rank = np.array([0.0, 1.0, 2.0, 3.0])
    >>> p = adjusted_p_values(rank, {b"high": np.array([2, 3])}, "greater")[b"high"]
    >>> round(p, 4)
    0.1667

    The exact null distribution holds without ties only; with ties, the normal one allows for them.
    """
    compared = np.flatnonzero(np.isfinite(mean_rank))
    distinct = len(np.unique(mean_rank[compared]))
    p_values = []
    for own in owned.values():
        others = mean_rank[np.setdiff1d(compared, own)]
        if not len(others) or distinct == 1 or not np.isfinite(mean_rank[own]).all():
            p_values.append(1.0)
            continue
        exact = distinct == len(compared) and len(own) * len(others) <= EXACT_TEST
        test = stats.mannwhitneyu(
            mean_rank[own],
            others,
            alternative=alternative,
            method="exact" if exact else "asymptotic",
        )
        p_values.append(float(test.pvalue))
    adjusted = stats.false_discovery_control(p_values)
    return {case: float(p) for case, p in zip(owned, adjusted, strict=True)}
