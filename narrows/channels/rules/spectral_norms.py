"""Spectral norms: `uᵀ W v` runs over the channels of a weight, and surgery keeps its number."""

from collections.abc import Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, placed
from narrows.channels.rules.registry import pin_operands, rule
from narrows.graph.node import Node, as_ref


@rule("mv")
def _product(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow `W v`; pin the channels of any other product with a vector."""
    if all(index != norm.product for norm in graph.spectral_norms):
        pin_operands(graph, node, "a product with a vector runs over them")
        return [()]
    matrix, vector = as_ref(node.inputs["self"]), as_ref(node.inputs["vec"])
    graph.couple(graph.along(matrix, 1), graph.along(vector, 0), node.op)
    return [placed(graph.along(matrix, 0), 0, 1)]


@rule("dot")
def _scale(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow `uᵀ (W v)`; pin the channels of any other product of vectors."""
    if all(index != norm.call for norm in graph.spectral_norms):
        pin_operands(graph, node, "a product of vectors runs over them")
    else:
        a, b = (graph.along(as_ref(node.inputs[name]), 0) for name in ("self", "tensor"))
        graph.couple(a, b, node.op)
    return [()]
