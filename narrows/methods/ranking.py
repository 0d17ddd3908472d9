"""The global ranking, and what it leaves of each layer.

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
    """The order in which structures go: their saliency when they do, [S], and their place, [S]."""

    saliency: Floats
    rank: Ints


def ranked(saliency: Floats) -> Ints:
    """Return each structure's place in the order of removal, 0 first; ties go by number.

    >>> ranked(np.array([0.3, 0.1, 0.2]))
    array([2, 0, 1])
    """
    order = np.argsort(saliency, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank


def removals(structures: int, ratio: float) -> int:
    """Return how many of so many structures a global pruning ratio removes."""
    return round(ratio * structures)


def pruning_ratio(rank: Ints, layer_structures: Ints, ratio: float) -> float:
    """Return the share of a layer's channels that a global pruning by `ratio` removes.

    `rank` are the ranks of all S structures, `layer_structures` those of the layer's channels;
    channels in no structure don't count.
    """
    own = layer_structures[layer_structures != NO_STRUCTURE]
    return float(np.mean(rank[own] < removals(len(rank), ratio)))


def sweep(rank: Ints, layer: Layer, ratios: Sequence[float] = SWEEP) -> list[list[float]]:
    """Return [global ratio, ratio of the layer] pairs."""
    return [[ratio, pruning_ratio(rank, layer.structures, ratio)] for ratio in ratios]
