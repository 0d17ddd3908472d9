"""Picks along one dimension by an index for each place of all others."""

from collections.abc import Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent
from narrows.channels.rules.elementwise import combine
from narrows.channels.rules.registry import pin_everything, rule, subject
from narrows.graph.dimensions import axis
from narrows.graph.node import Node, as_ref


@rule("gather")
def _gather(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow `y[i, j] = x[i, index[i, j]]`: the other dimensions keep their channels.

    Where the index has fewer of them, the rest is not picked at all, and nothing is followed.
    """
    operands = (subject(node), as_ref(node.inputs["index"]))
    dim = axis(node.inputs["dim"], len(graph.shape(operands[0])))
    shapes = [graph.shape(ref) for ref in operands]
    sizes = [(*shape[:dim], 1, *shape[dim + 1 :]) for shape in shapes]
    if not sizes[0] or sizes[0] != sizes[1]:
        return pin_everything(graph, node, index)
    rest = [
        independent(graph.fix(ref, [dim], "an index picks some of them"), dim) for ref in operands
    ]
    return [combine(graph, list(zip(sizes, rest, strict=True)), node.op)]
