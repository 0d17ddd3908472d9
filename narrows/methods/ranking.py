"""The global ranking of structures, and the share of each layer that it prunes.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from narrows.arrays import Floats, Ints
from narrows.channels.structures import NO_STRUCTURE, Layer
from narrows.methods import ties
from narrows.methods.partial_sums import NothingMeasuredError

SWEEP: tuple[float, ...] = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""The global pruning ratios of a sweep: 0.05, 0.10, … 0.95."""


class PruningOrder(NamedTuple):
    """The order of removal: for each structure its saliency when it goes, and its ranks, [S] each.

    `rank` 0 goes first; among equals the seed decides. `mean_rank` is the same for equals, so it
    is what statistics use. See docs/method.md, "Ties".
    """

    saliency: Floats
    rank: Ints
    mean_rank: Floats


def order_of_removal(
    saliency: Floats, increase: Floats, removed: Ints, scale: float
) -> PruningOrder:
    """Return the order from the structures in the order of their removal, `removed` [S].

    `increase` [S] is what each was chosen by; neighbours with equal increases share their ranks.
    `scale` is the largest increase of a structure alone.

    >>> order_of_removal(np.array([3.0, 1.0]), np.array([3.0, 1.0]), np.array([1, 0]), scale=3.0)
    PruningOrder(saliency=array([3., 1.]), rank=array([1, 0]), mean_rank=array([1., 0.]))
    """
    rank, mean_rank = np.empty(len(removed), np.int64), np.empty(len(removed))
    rank[removed] = np.arange(len(removed))
    mean_rank[removed] = ties.mean_ranks(increase[removed], scale)
    return PruningOrder(saliency, rank, mean_rank)


def ranked(saliency: Floats, costs: Floats | float = 1.0, seed: int = 0) -> PruningOrder:
    """Return the order by saliency over costs, [S] each; the lowest goes first.

    >>> ranked(np.array([0.3, 0.1, 0.2])).rank
    array([2, 0, 1])
    >>> ranked(np.array([0.0, 0.0, 0.2])).mean_rank
    array([0.5, 0.5, 2. ])
    """
    increase: Floats = np.asarray(saliency / costs)
    priority, scale = ties.priorities(len(saliency), seed), ties.largest(increase)
    removed = ties.sorted_with_ties(increase, priority, scale)
    return order_of_removal(saliency, increase, removed, scale)


def require_measured(order: PruningOrder) -> None:
    """Raise NothingMeasuredError where every saliency is 0.

    >>> require_measured(ranked(np.zeros(3)))
    Traceback (most recent call last):
    narrows.methods.partial_sums.NothingMeasuredError: every saliency is 0: ...
    """
    if not order.saliency.any():
        raise NothingMeasuredError(
            "every saliency is 0: no channel has any influence on the loss of the samples, so "
            "there is nothing to rank; check the network's weights and the loss"
        )


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


def sweep(rank: Ints, layer: Layer, ratios: Sequence[float] = SWEEP) -> Floats:
    """Return the layer's pruning ratio at each global ratio.

    >>> from narrows.example import two_neurons
    >>> (hidden, _) = two_neurons()[2].layers
    >>> sweep(np.array([1, 0]), hidden, ratios=(0.0, 0.5, 1.0))
    array([0. , 0.5, 1. ])
    """
    own = np.sort(rank[layer.structures[layer.structures != NO_STRUCTURE]])
    removed = [removals(len(rank), ratio) for ratio in ratios]
    return np.asarray(np.searchsorted(own, removed) / len(own))
