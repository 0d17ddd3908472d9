"""Tensors that the program makes without any other one."""

from collections.abc import Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, placed
from narrows.channels.rules.registry import result_shape, rule
from narrows.graph.dimensions import as_list
from narrows.graph.node import Node, Ref


@rule("full", "new_full", "new_ones", "new_zeros", "ones", "zeros")
def _filled(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Label each dimension whose size is a number in the program; all its entries are equal."""
    shape = result_shape(graph, node)
    fixed = [not isinstance(size, Ref) for size in as_list(node.inputs["size"])]
    return [
        tuple(
            array
            for dim, size in enumerate(shape)
            if size > 1 and fixed[dim]
            for array in placed(graph.elastic(size), dim, len(shape))
        )
    ]


@rule("arange", "arange.start", "arange.start_step", "linspace", "logspace", "scalar_tensor")
@rule("eye", "eye.m", "hann_window", "tril_indices", "triu_indices")
def _unlabelled(_graph: ChannelGraph, _node: Node, _index: int) -> Sequence[Labelling]:
    """Leave numbers without labels; those that tables are made of get theirs in the end."""
    return [()]
