"""The structures to cut or copy: `copies` [S] is 0 to cut one, 1 to keep it, 2 to double it."""

from collections.abc import Callable

import numpy as np

from narrows.arrays import Floats, Ints
from narrows.channels.structures import Channels
from narrows.plans.cost import Cost
from narrows.vocabulary import BUDGET_KINDS, BudgetKind, CostKind

CostOf = Callable[[Ints], Cost]
"""copies [S] → the cost of the network with them."""
STEPS = 20
"""Bisections of a factor, enough for any width."""


def structure_costs(channels: Channels, cost_of: CostOf, kind: CostKind) -> Floats:
    """Return the cost of each structure, [S]: what the network saves if it alone is cut.

    The unit is that of `kind`: parameters, MACs, or channels for `structures`. A structure that is
    a block of channels, such as an attention head, costs as many as a layer has of it: ranked
    whole, it would stand above every single channel. The structures of a group cost the same, so
    one of each is tried.

    >>> from narrows.example import two_neurons
    >>> from narrows.plans.cost import network_cost
    >>> network, shapes, channels = two_neurons()
    >>> cost_of = lambda copies: network_cost(network, shapes, channels, copies)
    >>> structure_costs(channels, cost_of, "parameters")  # a weight in `hidden`, one in `output`
    array([2., 2.])
    """
    if kind == "structures":
        return channels.block_sizes().astype(np.float64)
    result = np.ones(len(channels))
    keep = np.ones(len(channels), np.int64)
    whole = getattr(cost_of(keep), kind)
    for group in np.unique(channels.groups):
        members = np.flatnonzero(channels.groups == group)
        keep[members[0]] = 0
        result[members] = whole - getattr(cost_of(keep), kind)
        keep[members[0]] = 1
    return result


def growth_per_percent(channels: Channels, cost_of: CostOf) -> dict[BudgetKind, dict[int, float]]:
    """Return by what share each group grows if one percent of the network's cost goes into it.

    Groups that cost nothing are left out. Below, one more than two neurons is half as many again,
    and so are its parameters:

    >>> from narrows.example import two_neurons
    >>> from narrows.plans.cost import network_cost
    >>> network, shapes, channels = two_neurons()
    >>> cost_of = lambda copies: network_cost(network, shapes, channels, copies)
    >>> growth_per_percent(channels, cost_of)["parameters"]
    {0: 0.01}
    """
    result: dict[BudgetKind, dict[int, float]] = {kind: {} for kind in BUDGET_KINDS}
    copies = np.ones(len(channels), np.int64)
    whole = cost_of(copies)
    for group in np.unique(channels.groups).tolist():
        members = np.flatnonzero(channels.groups == group)
        copies[members[0]] = 2
        wider = cost_of(copies)
        copies[members[0]] = 1
        for kind, of_group in result.items():
            if more := getattr(wider, kind) - getattr(whole, kind):
                of_group[group] = 0.01 * getattr(whole, kind) / (more * len(members))
    return result


def prune_to_ratio(
    channels: Channels, rank: Ints, ratio: float, cost_of: CostOf, kind: CostKind = "structures"
) -> Ints:
    """Return the copies [S] with the lowest ranks cut until `ratio` of the cost is saved.

    `rank` are the ranks [S]. The last structure of each group stays, since a layer needs a channel.
    The budget is met within one structure; if it can't be met, all structures but these are cut.

    >>> from narrows.example import two_neurons
    >>> from narrows.plans.cost import network_cost
    >>> network, shapes, channels = two_neurons()
    >>> cost_of = lambda copies: network_cost(network, shapes, channels, copies)
    >>> prune_to_ratio(channels, np.array([1, 0]), 0.5, cost_of, "macs")
    array([1, 0])
    """
    last = _last_of_groups(channels, rank)
    order = [s for s in np.argsort(rank).tolist() if s not in last]
    if kind == "structures":
        return _without(channels, order[: round(ratio * len(channels))])
    budget = (1 - ratio) * getattr(cost_of(_without(channels, [])), kind)
    low, high = 0, len(order)  # bisection: each cut lowers the cost
    while low < high:
        middle = (low + high) // 2
        if getattr(cost_of(_without(channels, order[:middle])), kind) > budget:
            low = middle + 1
        else:
            high = middle
    return _without(channels, order[:low])


def _without(channels: Channels, structures: list[int]) -> Ints:
    copies = np.ones(len(channels), np.int64)
    copies[structures] = 0
    return copies


def _last_of_groups(channels: Channels, rank: Ints) -> set[int]:
    last: dict[int, int] = {}
    for structure in np.argsort(rank).tolist():
        last[int(channels.groups[structure])] = structure
    return set(last.values())


def copies_for_widths(channels: Channels, rank: Ints, widths: dict[int, int]) -> Ints:
    """Return the copies that give each group its new number of structures.

    `widths` maps groups to structures. In a wider group all structures are copied equally often,
    and those of the highest ranks once more. In a leaner one those of the lowest ranks are cut.

    >>> from narrows.example import two_neurons
    >>> channels, rank = two_neurons()[2], np.array([0, 1])
    >>> copies_for_widths(channels, rank, {0: 5}), copies_for_widths(channels, rank, {0: 1})
    (array([2, 3]), array([0, 1]))
    """
    copies = np.ones(len(channels), np.int64)
    for group, width in widths.items():
        members = np.flatnonzero(channels.groups == group)
        highest_first = members[np.argsort(-rank[members])]
        each, remainder = divmod(max(1, width), len(members))
        copies[highest_first] = each
        copies[highest_first[:remainder]] += 1
    return copies


def largest_factor(fits: Callable[[float], bool], low: float, high: float) -> float:
    """Return the largest factor that fits, by bisection; `low` must fit.

    >>> round(largest_factor(lambda factor: factor <= 1.3, low=1.0, high=2.0), 4)
    1.3
    """
    if fits(high):
        return high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
