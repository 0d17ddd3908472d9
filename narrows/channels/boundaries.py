"""Structures that a piece parts: pinned, since surgery copies neighbours as a block."""

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labels, collapsed, spanned


def pin_parted(graph: ChannelGraph, component: Labels) -> None:
    """Pin each structure that lies on both sides of a boundary, as its neighbour.

    `component` are the components of all labels, after `resolve`. A depthwise layer makes two
    channels of each of three; a slice that takes five of the six parts the last two.

    >>> import numpy as np
    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> made = np.repeat(graph.fresh(3), 2)
    >>> graph.bound(made, 0, [5], "slice.Tensor")
    >>> pin_parted(graph, graph.components())
    >>> graph.pins
    [(array([2]), 'slice.Tensor parts channels that go together')]
    """
    for boundary in graph.boundaries:
        labels, dim = boundary.labels, boundary.dim
        cut = spanned(collapsed(component[labels])) or spanned(labels)
        if cut == [dim]:
            for other in set(range(labels.ndim)) - {dim}:
                labels = labels.take([0], other)
            line = labels.ravel()
            for place in boundary.places:
                if component[line[place - 1]] == component[line[place]]:
                    graph.pin(
                        line[place : place + 1], f"{boundary.why} parts channels that go together"
                    )
