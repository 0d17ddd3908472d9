"""The global ranking of structures, and the share of each layer that it prunes.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from narrows.arrays import Floats, Ints
from narrows.channels.structures import NO_STRUCTURE, Layer

SWEEP: tuple[float, ...] = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""The global pruning ratios of a sweep: 0.05, 0.10, … 0.95."""


class PruningOrder(NamedTuple):
    """The order of removal: the saliency of each structure when it goes, [S], and its rank, [S].

    Rank 0 goes first.
    """

    saliency: Floats
    rank: Ints


def ranked(saliency: Floats) -> Ints:
    """Return the rank of each structure, [S], 0 for the lowest saliency; ties go by number.

    >>> ranked(np.array([0.3, 0.1, 0.2]))
    array([2, 0, 1])
    """
    order = np.argsort(saliency, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank


def removals(structures: int, ratio: float) -> int:
    """Return how many of all structures a global pruning ratio removes.

    >>> removals(10, 0.25), removals(10, 0.31)  # Python rounds halves to even
    (2, 3)
    """
    return round(ratio * structures)


def pruning_ratio(rank: Ints, layer_structures: Ints, ratio: float) -> float:
    """Return the share of a layer's channels that a global pruning by `ratio` removes.

    `rank` [S] are the ranks of all structures, `layer_structures` [width] the structures of the
    layer's channels; channels in no structure (−1) do not count.

    >>> rank = np.array([3, 0, 1, 2])  # half of four: those of ranks 0 and 1 go
    >>> pruning_ratio(rank, np.array([0, 1, -1]), 0.5), pruning_ratio(rank, np.array([1, 2]), 0.5)
    (0.5, 1.0)
    """
    own = layer_structures[layer_structures != NO_STRUCTURE]
    return float(np.mean(rank[own] < removals(len(rank), ratio)))


def sweep(rank: Ints, layer: Layer, ratios: Sequence[float] = SWEEP) -> list[list[float]]:
    """Return [global ratio, ratio of the layer] pairs.

    >>> from narrows.example import two_neurons
    >>> (hidden, _) = two_neurons()[2].layers
    >>> sweep(np.array([1, 0]), hidden, ratios=(0.0, 0.5, 1.0))
    [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]
    """
    return [[ratio, pruning_ratio(rank, layer.structures, ratio)] for ratio in ratios]
