"""Operators that run over a dimension: its channels depend on each other, so they stay."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.contractions import is_sum
from narrows.channels.labels import Labelling, independent, spanned
from narrows.channels.records import Statistic
from narrows.channels.rules.registry import rule, subject
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Node


@rule("softmax.int", "_softmax", "log_softmax.int", "_log_softmax", "cumsum")
@rule("cummax", "cummin", "cumprod", "logcumsumexp")
def _within(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Pin the channels along a dimension that the operator runs over, and the result keeps."""
    labelling = graph.fix(subject(node), _dims(graph, node), f"{node.op} runs over them")
    return [labelling] * len(node.outputs)


@rule("sort", "sort.stable", "argsort", "argsort.stable", "topk", "diff")
@rule("tensor_split.indices", "tensor_split.sections")
def _reordered(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Pin the channels along a dimension of which the result has others, or other ones."""
    source = subject(node)
    default = 0 if node.op.startswith("tensor_split") else -1
    dim = axis(node.inputs.get("dim", default), len(graph.shape(source)))
    rest = independent(graph.fix(source, [dim], f"{node.op} runs over them"), dim)
    return [rest] * len(node.outputs)


@rule("unfold")
def _windows(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow a view of windows along a dimension, which are the last one of the result."""
    source = subject(node)
    dim = axis(node.inputs["dimension"], len(graph.shape(source)))
    rest = independent(graph.fix(source, [dim], "they are parted into windows"), dim)
    return [tuple(labels[..., None] for labels in rest)]


@rule("diagonal")
def _diagonal(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow the dimensions beside the two of the diagonal, which is the last of the result."""
    source = subject(node)
    rank = len(graph.shape(source))
    dims = (axis(node.inputs.get("dim1", 0), rank), axis(node.inputs.get("dim2", 1), rank))
    rest = independent(graph.fix(source, dims, "a diagonal runs along them"), *dims)
    return [tuple(np.squeeze(labels, dims)[..., None] for labels in rest)]


@rule(
    *"amax amin any any.dim argmax argmin linalg_vector_norm logsumexp max max.dim mean mean.dim "
    "all all.dim all.dims aminmax any.dims count_nonzero count_nonzero.dim_IntList kthvalue "
    "linalg_norm median median.dim nanmean nansum std_mean.correction std_mean.dim var_mean.dim "
    "min min.dim prod prod.dim_int std std.correction std.dim sum sum.dim_IntList var "
    "var.correction var.dim var_mean.correction".split()
)
def _reduction(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow sums, and statistics that may be those of a norm; pin the channels of all others.

    A sum without a channel is the same as with the channel at zero; a mean is not.
    """
    source, dims = subject(node), _dims(graph, node)
    exact = is_sum(node) and source.name in graph.network.varying  # else no gate closes the channel
    for dim in dims:
        along = [labels for labels in graph.labelling(source) if labels.shape[dim] > 1]
        joint = any(len(spanned(labels)) > 1 for labels in along)
        if joint or not (exact or _is_statistic(node)):
            graph.fix(source, [dim], f"{node.op} runs over them")
        elif not exact:
            graph.statistics += [Statistic(index, labels.ravel()) for labels in along]
    kept = independent(graph.labelling(source), *dims)
    if not node.inputs.get("keepdim"):
        kept = tuple(np.squeeze(labels, tuple(dims)) for labels in kept)
    return [kept] * len(node.outputs)


def _is_statistic(node: Node) -> bool:
    """Tell whether the operator computes a sum, a mean, or a deviation from it.

    Copies change a sample variance, and it can't be mended without changing the mean beside it.
    """
    family = node.op.partition(".")[0]
    biased = node.inputs.get("unbiased") is False or bool(node.inputs.get("correction") == 0)
    return (
        is_sum(node)
        or family in ("mean", "var", "std")
        or (biased and family in ("var_mean", "std_mean"))
    )


def _dims(graph: ChannelGraph, node: Node) -> list[int]:
    rank = len(graph.shape(subject(node)))
    dims = node.inputs.get("dim", -1 if node.op == "kthvalue" else None)
    if dims is None or dims == []:
        return list(range(rank))
    return sorted({axis(dim, rank) for dim in as_list(dims)})
