"""Operators that write into part of a value: its channels stay what they are."""

from collections.abc import Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, independent
from narrows.channels.rules.elementwise import combine
from narrows.channels.rules.registry import pin_everything, rule, subject
from narrows.channels.rules.single_index import COUNTED
from narrows.channels.rules.slicing import ONE_PIECE, places, run_on_labels
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Node, Ref, as_ref


@rule("slice_scatter")
def _slice_scatter(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Couple what is written with what it overwrites, channel by channel."""
    source, written = subject(node), as_ref(node.inputs["src"])
    dim = axis(node.inputs.get("dim", 0), len(graph.shape(source)))
    bounds = [node.inputs.get(name) for name in ("start", "end")]
    if 0 in graph.shape(written):  # nothing is overwritten
        return [graph.labelling(source)]
    if node.inputs.get("step", 1) != 1 or any(isinstance(bound, Ref) for bound in bounds):
        for ref in (source, written):
            graph.fix(ref, [dim], f"{node.op} overwrites some of them")
        overwritten = independent(graph.labelling(source), dim)
    else:
        overwritten = tuple(_overwritten(graph, node, a, dim) for a in graph.labelling(source))
    shape = graph.shape(written)
    operands = [(shape, overwritten), (shape, graph.labelling(written))]
    combine(graph, operands, node.op)
    return [graph.labelling(source)]


def _overwritten(graph: ChannelGraph, node: Node, labels: Labels, dim: int) -> Labels:
    if labels.shape[dim] == 1:
        return labels
    cut = Node("slice.Tensor", {k: a for k, a in node.inputs.items() if k != "src"}, ("y",), "")
    graph.bound(labels, dim, places(graph, cut, labels, dim), node.op)
    (piece,) = run_on_labels(graph, cut, labels)
    if piece.shape[dim] == 1:
        graph.pin(piece, ONE_PIECE)
    return piece


@rule("select_scatter")
def _select_scatter(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source, written = subject(node), as_ref(node.inputs["src"])
    dim = axis(node.inputs.get("dim", 0), len(graph.shape(source)))
    rest = independent(graph.fix(source, [dim], COUNTED), dim)
    shape = graph.shape(written)
    overwritten = tuple(labels.squeeze(dim) for labels in rest)
    combine(graph, [(shape, overwritten), (shape, graph.labelling(written))], node.op)
    return [graph.labelling(source)]


_COMPARISONS = frozenset("eq ne ge gt le lt isnan logical_and logical_not logical_or".split())


@rule("index_put")
def _index_put(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow `x[mask] = number`; pin what other indices write into."""
    source, (mask, *others) = subject(node), as_list(node.inputs["indices"])
    values, shape = as_ref(node.inputs["values"]), graph.shape(source)
    if others or not isinstance(mask, Ref) or max(graph.shape(values), default=1) > 1:
        return pin_everything(graph, node, index)
    made = next((n for n in graph.network.nodes if mask.name in n.outputs), None)
    if made is None or made.op.partition(".")[0] not in _COMPARISONS:
        return pin_everything(graph, node, index)
    missing = (1,) * (len(shape) - len(graph.shape(mask)))
    labels = tuple(a.reshape(*a.shape, *missing) for a in graph.labelling(mask))
    operands = [(shape, graph.labelling(source)), (graph.shape(mask) + missing, labels)]
    return [combine(graph, operands, node.op)]
