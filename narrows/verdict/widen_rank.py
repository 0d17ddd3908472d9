"""Which layer to widen first: where a budget of parameters promises most.

A layer gains what its channels are worth times its growth, the channels that the budget buys over
those that it has. For an equal budget that is its worth over what all its channels cost.

See docs/method.md, "Widen here first".
"""

from collections.abc import Mapping

from scipy import stats

from narrows.arrays import Floats, Ints
from narrows.verdict.worth import Worth


def widen_ranks(worth: Worth, owned: Mapping[bytes, Ints], costs: Floats) -> dict[bytes, int]:
    """Return the rank of each case, from its structures; 1 is to be widened first, equals share.

    `costs` [S] are the parameters of each structure.

    >>> import numpy as np
    >>> worth = Worth(np.array([6.0, 2.0]), np.empty((0, 2)))
    >>> widen_ranks(worth, {b"a": np.array([0]), b"b": np.array([1])}, np.array([10.0, 2.0]))
    {b'a': 2, b'b': 1}
    """
    promised = [worth.of(own) / costs[own].sum() for own in owned.values()]
    rounded = [-float(f"{value:.6g}") for value in promised]  # equal up to rounding is equal
    return dict(zip(owned, stats.rankdata(rounded, "min").astype(int).tolist(), strict=True))
