"""The last step of labelling: decide along which dimension joint labels are cut.

A view splits channels into, say, [groups, width], and a value must stay a full array: only whole
slices along one dimension can be pruned. Operators that need one of the dimensions have tied the
others by then (attention the width of its heads); all other joint labels are decided here. So are
the groups of convolutions and norms, which are joint labels [groups, size], too.
"""

from collections.abc import Iterator

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.groupings import settle_groupings
from narrows.channels.labels import Dims, Labels, collapsed, spanned

ALL_AT_ONCE = "they can only go all at once"


def resolve(graph: ChannelGraph) -> Labels:
    """Tie joint labels until each is cut along one dimension; return each label's component.

    Where nothing else decides, the innermost dimension is cut: the channels of the same position in
    each group are one structure, as channel shuffles need it.

    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> graph.values["view"] = (graph.fresh(6).reshape(2, 3),)  # two groups of three channels
    >>> resolve(graph)
    array([0, 1, 2, 0, 1, 2])
    """
    whole = settle_groupings(graph)
    component = graph.components()
    for meeting in graph.meetings:
        cut = spanned(collapsed(component[meeting.joint]))
        (own,) = spanned(meeting.part)
        if len(cut) > 1:
            cut = [own]
            component = _tie_all_but(graph, meeting.joint, own)
        if cut == [own]:
            first = meeting.joint
            for dim in set(spanned(first)) - {own}:
                first = first.take([0], dim)
            graph.couple(first, meeting.part, meeting.why)
            component = graph.components()
        else:
            graph.pin(meeting.part, f"they meet a dimension that keeps its size ({meeting.why})")
    for labels in (*_joint(graph), *whole):
        dims = spanned(collapsed(component[labels]))
        if len(dims) > 1:
            component = _tie_all_but(graph, labels, dims[-1])
        elif not dims:
            graph.pin(labels, ALL_AT_ONCE)
    return component


def _joint(graph: ChannelGraph) -> Iterator[Labels]:
    for labelling in graph.values.values():
        yield from (labels for labels in labelling if len(spanned(labels)) > 1)


def _tie_all_but(graph: ChannelGraph, labels: Labels, along: int) -> Labels:
    for dim in set(spanned(labels)) - {along}:
        labels = graph.tie(labels, dim)
    return graph.components()


def final_dims(labelling: tuple[Labels, ...], rank: int, component: Labels) -> Dims:
    """Return the labels of each of `rank` dimensions, after `resolve` has tied the joint ones.

    >>> joint, component = np.arange(6).reshape(2, 3), np.array([0, 1, 2, 0, 1, 2])
    >>> final_dims((joint,), 2, component)
    (None, array([0, 1, 2]))
    """
    dims: list[Labels | None] = [None] * rank
    for labels in labelling:
        cut = spanned(labels)
        if len(cut) > 1:
            cut = spanned(collapsed(component[labels]))
        if cut:
            for other in set(range(rank)) - {cut[0]}:
                labels = labels.take([0], other)
            dims[cut[0]] = np.ascontiguousarray(labels.ravel())
    return tuple(dims)
