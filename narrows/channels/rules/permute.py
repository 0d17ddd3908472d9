"""Operators that move channels to other dimensions or indices."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling
from narrows.channels.rules.registry import rule, subject
from narrows.graph.dimensions import as_list, axis, permutation
from narrows.graph.node import Node


@rule("permute", "transpose.int", "t", "mT", "numpy_T", "movedim.int", "movedim.intlist")
def _permute(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    order = permutation(node, len(graph.shape(source)))
    if source.name in graph.weights and node.outputs[0]:
        name, where = graph.weights[source.name]
        graph.weights[node.outputs[0]] = name, tuple(where[d] for d in order)
    return [tuple(labels.transpose(order) for labels in graph.labelling(source))]


@rule("flip")
def _flip(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    dims = [axis(d, len(graph.shape(source))) for d in as_list(node.inputs["dims"])]
    return [tuple(np.flip(labels, tuple(dims)) for labels in graph.labelling(source))]


@rule("roll")
def _roll(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    rank = len(graph.shape(source))
    chosen = as_list(node.inputs.get("dims") or [])
    dims = [axis(d, rank) for d in chosen] or range(rank)
    return [graph.fix(source, dims, "roll shifts them")]
