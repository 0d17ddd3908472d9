"""Operators that run over a dimension: its channels all depend on each other, and stay."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent, spanned
from narrows.channels.rules.registry import rule, subject
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Node


@rule("softmax.int", "_softmax", "log_softmax.int", "_log_softmax", "cumsum")
def _within(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Relate what stands along a dimension that the result still has."""
    return [graph.fix(subject(node), _dims(graph, node), f"{node.op} runs over them")]


@rule(
    *"amax amin any any.dim argmax argmin linalg_vector_norm logsumexp max max.dim mean mean.dim "
    "min min.dim prod prod.dim_int std std.correction std.dim sum sum.dim_IntList var "
    "var.correction var.dim var_mean.correction".split()
)
def _reduction(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Reduce dimensions. What is no longer there adds nothing to a sum, but changes a mean."""
    source, dims = subject(node), _dims(graph, node)
    sums = node.op in ("sum", "sum.dim_IntList")
    for dim in dims:
        joint = any(a.shape[dim] > 1 and len(spanned(a)) > 1 for a in graph.labelling(source))
        if joint or not sums:
            graph.fix(source, [dim], f"{node.op} runs over them")
    kept = independent(graph.labelling(source), *dims)
    if not node.inputs.get("keepdim"):
        kept = tuple(np.squeeze(labels, tuple(dims)) for labels in kept)
    return [kept] * len(node.outputs)


def _dims(graph: ChannelGraph, node: Node) -> list[int]:
    rank, given = len(graph.shape(subject(node))), node.inputs.get("dim")
    if given is None or given == []:
        return list(range(rank))
    return sorted({axis(dim, rank) for dim in as_list(given)})
