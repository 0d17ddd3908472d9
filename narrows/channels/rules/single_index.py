"""Operators that take a single index along a dimension, which must keep its size."""

from collections.abc import Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent, spanned
from narrows.channels.rules.registry import rule, subject
from narrows.graph.dimensions import axis
from narrows.graph.node import Node, Ref
from narrows.graph.operator_names import OF_SIZES

COUNTED = "the program counts on their number"
_OF_ONE_NUMBER = OF_SIZES | {"full", "ones", "zeros"}
"""Operators whose result has one number everywhere."""


@rule("select.int", "unbind.int")
def _select(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow slices of a single index; the dimension must keep its size, unless any would do."""
    source = subject(node)
    dim = axis(node.inputs.get("dim", 0), len(graph.shape(source)))
    labelling = graph.labelling(source)
    joint = any(a.shape[dim] > 1 and len(spanned(a)) > 1 for a in labelling)
    if joint or not _is_any(graph, node, source):
        labelling = graph.fix(source, [dim], COUNTED)
    rest = independent(labelling, dim)
    return [tuple(labels.squeeze(dim) for labels in rest)] * len(node.outputs)


def _is_any(graph: ChannelGraph, node: Node, source: Ref) -> bool:
    """Tell whether any channel would do as well: all are equal, or no more is read than sizes.

    So masks are made: `torch.ones_like(x[..., 0])`, or `torch.zeros_like(x)[..., 0]`.
    """
    if node.inputs.get("index") not in (0, -1):  # else there might be no such index
        return False
    nodes, (result,) = graph.network.nodes, node.outputs
    takers = [nodes[i].op for i in graph.network.readers.get(result or "", ()) if i >= 0]
    outside = any(i < 0 for i in graph.network.readers.get(result or "", ()))
    made = next((n.op for n in nodes if source.name in n.outputs), "")
    return (OF_SIZES.issuperset(takers) and not outside) or made in _OF_ONE_NUMBER
