"""Which structures to cut or copy: `copies` [S] is 0 to cut one, 1 to keep it, 2 to double it."""

from collections.abc import Callable

import numpy as np

from narrows.arrays import Floats, Ints
from narrows.channels.structures import Channels
from narrows.plans.cost import Cost
from narrows.vocabulary import CostKind

CostOf = Callable[[Ints], Cost]
"""Return what the network costs with these copies."""


def structure_costs(channels: Channels, cost_of: CostOf, kind: CostKind) -> Floats:
    """Return what each structure costs, of shape [S]: what cutting it alone would save.

    The structures of a group are alike, so one of each is tried.
    """
    result = np.ones(len(channels))
    if kind == "structures":
        return result
    keep = np.ones(len(channels), np.int64)
    whole = getattr(cost_of(keep), kind)
    for group in np.unique(channels.groups):
        members = np.flatnonzero(channels.groups == group)
        keep[members[0]] = 0
        result[members] = whole - getattr(cost_of(keep), kind)
        keep[members[0]] = 1
    return result


def prune_to_ratio(
    channels: Channels, rank: Ints, ratio: float, cost_of: CostOf, kind: CostKind = "structures"
) -> Ints:
    """Cut the structures that go first until `ratio` of the network's cost is saved.

    `rank` are the ranks [S]. The last structure of each group stays: a layer needs a channel. The
    budget is met within one structure, or everything else is cut when it can't be met.
    """
    last = _last_of_groups(channels, rank)
    order = [s for s in np.argsort(rank).tolist() if s not in last]
    if kind == "structures":
        return _without(channels, order[: round(ratio * len(channels))])
    budget = (1 - ratio) * getattr(cost_of(_without(channels, [])), kind)
    few, many = 0, len(order)  # bisect: the cost falls with every cut
    while few < many:
        middle = (few + many) // 2
        if getattr(cost_of(_without(channels, order[:middle])), kind) > budget:
            few = middle + 1
        else:
            many = middle
    return _without(channels, order[:few])


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

    Wider: everything is copied equally often, and the structures that go last once more. Leaner:
    those that go first are cut.
    """
    copies = np.ones(len(channels), np.int64)
    for group, width in widths.items():
        members = np.flatnonzero(channels.groups == group)
        by_worth = members[np.argsort(-rank[members])]
        whole, more = divmod(max(1, width), len(members))
        copies[by_worth] = whole
        copies[by_worth[:more]] += 1
    return copies
