"""The probability that a global pruning removes so few, or so many, channels of a layer by chance.

See docs/method.md, "The rule pruning_ratio".
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from scipy import stats

from narrows.arrays import Bools, Ints


def adjusted_p_values(
    removed: Bools, owned: Mapping[bytes, Ints], alternative: Literal["few", "many"]
) -> dict[bytes, float]:
    """Return for each case the p-value of its removed structures, adjusted for their number.

    `removed` [S] says which structures the pruning removes, and `owned` has the structures of each
    case. By chance, a case's removed structures are drawn without replacement from those of all
    cases (hypergeometric). The adjustment is that of Benjamini and Hochberg. Two of four are
    removed; that none of a case of two is among them happens in one of six draws:

    >>> removed = np.array([True, True, False, False])
    >>> cases = {b"low": np.array([0, 1]), b"high": np.array([2, 3])}
    >>> round(adjusted_p_values(removed, cases, "few")[b"high"], 4)
    0.3333
    """
    compared = np.concatenate(list(owned.values()) or [np.empty(0, np.int64)])
    in_all = int(removed[compared].sum())
    found, sizes = (
        np.array([count(own) for own in owned.values()], np.int64)
        for count in (lambda own: removed[own].sum(), len)
    )
    chance = (len(compared), in_all, sizes)
    if alternative == "few":
        p_values = stats.hypergeom.cdf(found, *chance)
    else:
        p_values = stats.hypergeom.sf(found - 1, *chance)
    adjusted = stats.false_discovery_control(np.clip(p_values, 0.0, 1.0))
    return {case: float(p) for case, p in zip(owned, adjusted, strict=True)}
