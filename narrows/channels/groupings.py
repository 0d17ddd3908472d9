"""Operators that take channels in groups: decide whether whole groups or positions in them are cut.

A convolution with groups needs equally many channels in each. So either a structure is a position
in every group, and the weight loses rows and columns. Or it is a whole group, which reads nothing
of the others: the weight loses rows alone, and the call a group.
"""

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labels, collapsed, spanned
from narrows.channels.records import Grouping

_GROUPS = [0]
"""What labels [groups, size] span where all channels within each group are tied."""


def settle_groupings(graph: ChannelGraph) -> list[Labels]:
    """Couple the channels of each grouping; return those [groups, size] that are cut by groups.

    Positions are cut, unless other operators have tied all channels within each group, as attention
    ties the width of its heads: then positions could only go all at once. Where that is so on one
    side of a convolution, groups are cut on both if a single layer makes the channels on the other.
    Those of several layers, such as of a residual stream, would be few structures, and large.

    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> x, y = graph.fresh(4), graph.fresh(4)  # two groups of two channels
    >>> graph.groupings.append(Grouping((x, y), 2, graph.fresh(2), "conv1d"))
    >>> _ = graph.tie(x.reshape(2, 2), 1)
    >>> [channels.shape for channels in settle_groupings(graph)]
    [(2, 2), (2, 2)]
    >>> graph.components()[:8]
    array([0, 0, 1, 1, 0, 0, 1, 1])
    """
    whole: list[Labels] = []
    waiting, before = graph.groupings, 0
    while len(waiting) != before:
        component, before, undecided = graph.components(), len(waiting), []
        for grouping in waiting:
            sides = [side.reshape(grouping.groups, -1) for side in grouping.sides]
            if _goes_by_groups(graph, sides, component):
                for side in sides:
                    graph.couple(side, np.broadcast_to(sides[0][:, :1], side.shape), grouping.why)
                graph.pin(grouping.columns, "a convolution reads whole groups of channels")
                whole += sides
            else:
                undecided.append(grouping)
        waiting = undecided
    for grouping in waiting:
        _cut_positions(graph, grouping)
    return whole


def _goes_by_groups(graph: ChannelGraph, sides: list[Labels], component: Labels) -> bool:
    """Tell whether the channels within each group are tied, or on one side, and may be on both."""
    cuts = [spanned(collapsed(component[side])) for side in sides]
    if all(cut == _GROUPS for cut in cuts):
        return True
    tied = [side for side, cut in zip(sides, cuts, strict=True) if cut == _GROUPS]
    free = [side for side, cut in zip(sides, cuts, strict=True) if cut == [0, 1]]
    return (
        len(tied) == len(free) == 1
        and tied[0].shape[1] > 1
        and not _is_pinned(graph, tied[0], component)
        and _makers(graph, free[0], component) < 2
    )


def _is_pinned(graph: ChannelGraph, labels: Labels, component: Labels) -> bool:
    """Tell whether some of these channels are pinned so far."""
    channels = component[labels]
    return any(np.isin(component[pinned], channels).any() for pinned, _ in graph.pins)


def _makers(graph: ChannelGraph, labels: Labels, component: Labels) -> int:
    """Count the weights that make some of these channels, or others that go with them."""
    channels = component[labels]
    return len({p.weight for p in graph.producers if np.isin(component[p.rows], channels).any()})


def _cut_positions(graph: ChannelGraph, grouping: Grouping) -> None:
    """Couple the channels of each position in the groups, and with them the weight's columns."""
    for side in grouping.sides:
        graph.tie_blocks(side, grouping.groups)
    if grouping.columns is not None:
        read = grouping.sides[0][: len(grouping.columns)]
        graph.couple(read, grouping.columns, grouping.why)
