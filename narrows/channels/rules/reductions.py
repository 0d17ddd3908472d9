"""Operators that run over a dimension: its channels depend on each other, so they stay."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent, spanned
from narrows.channels.rules.registry import rule, subject
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Node


@rule("softmax.int", "_softmax", "log_softmax.int", "_log_softmax", "cumsum")
def _within(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Pin the channels along a dimension that the operator runs over, and the result keeps."""
    return [graph.fix(subject(node), _dims(graph, node), f"{node.op} runs over them")]


@rule(
    *"amax amin any any.dim argmax argmin linalg_vector_norm logsumexp max max.dim mean mean.dim "
    "min min.dim prod prod.dim_int std std.correction std.dim sum sum.dim_IntList var "
    "var.correction var.dim var_mean.correction".split()
)
def _reduction(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Pin the channels along reduced dimensions, unless the operator is a sum.

    A sum without a channel is the same as with the channel at zero; a mean is not.
    """
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
    rank, dims = len(graph.shape(subject(node))), node.inputs.get("dim")
    if dims is None or dims == []:
        return list(range(rank))
    return sorted({axis(dim, rank) for dim in as_list(dims)})
