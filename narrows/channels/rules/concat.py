"""Operators that join, repeat and pad channels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent, placed, spanned
from narrows.channels.rules.elementwise import combine
from narrows.channels.rules.registry import (
    pin_everything,
    result_shape,
    rule,
    subject,
    tensors_of,
)
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Argument, Node, Ref, as_int


@rule("cat")
def _cat(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    rank = len(result_shape(graph, node))
    parts = [ref for ref in as_list(node.inputs["tensors"]) if isinstance(ref, Ref)]
    parts = [ref for ref in parts if len(graph.shape(ref)) == rank]  # an empty one may have less
    dim = axis(node.inputs.get("dim", 0), rank)
    spans = {_span(graph, ref, dim) for ref in parts}
    if len(spans) > 1 and max(spans) > 1:  # some are joint, others are not
        for ref in parts:
            if _span(graph, ref, dim) > 1:
                graph.fix(ref, [dim], node.op)
    along = [next((a for a in graph.labelling(ref) if a.shape[dim] > 1), None) for ref in parts]
    across = [_across(graph.shape(ref), graph.labelling(ref), dim) for ref in parts]
    rest = combine(graph, across, node.op)
    if all(labels is None for labels in along):
        return [rest]
    reason = "they are joined with channels that are not followed"
    others = np.broadcast_shapes(*(_without(a.shape, dim) for a in along if a is not None))
    pieces = []
    for ref, followed in zip(parts, along, strict=True):
        size = graph.shape(ref)[dim]
        labels = placed(graph.fixed(size, reason), dim, rank)[0] if followed is None else followed
        pieces.append(np.broadcast_to(labels, (*others[:dim], size, *others[dim + 1 :])))
    joined = np.concatenate(pieces, dim)
    clash = [d for d in spanned(joined) if d != dim and any(a.shape[d] > 1 for a in rest)]
    for d in clash:
        joined = graph.tie(joined, d)
    ends = np.cumsum([piece.shape[dim] for piece in pieces])
    graph.bound(joined, dim, ends.tolist(), node.op)
    return [(*rest, joined)]


def _span(graph: ChannelGraph, ref: Ref, dim: int) -> int:
    """Return the number of dimensions that the labels along `dim` depend on; 0 without any."""
    return max((len(spanned(a)) for a in graph.labelling(ref) if a.shape[dim] > 1), default=0)


def _without(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    """Return the shape with size 1 along `dim`."""
    return (*shape[:dim], 1, *shape[dim + 1 :])


def _across(
    shape: tuple[int, ...], labelling: Labelling, dim: int
) -> tuple[tuple[int, ...], Labelling]:
    """Return the shape and labels that a join couples: those of all other dimensions.

    Dimensions that are joint with the joined one are left out, too.
    """
    joint = [labels.shape for labels in labelling if labels.shape[dim] > 1]
    taken = {d for sizes in joint for d, size in enumerate(sizes) if size > 1} | {dim}
    kept = tuple(1 if d in taken else size for d, size in enumerate(shape))
    return kept, independent(labelling, dim)


@rule("hstack", "vstack", "dstack", "column_stack")
def _stacks(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Join along the dimension that the name says; values of fewer dimensions are not followed."""
    dim = {"hstack": 1, "vstack": 0, "dstack": 2, "column_stack": 1}[node.op]
    parts = tensors_of(graph, node)
    if min(len(graph.shape(ref)) for ref in parts) < max(dim + 1, 2):
        return pin_everything(graph, node, index)
    return _cat(graph, replace(node, op="cat", inputs={**node.inputs, "dim": dim}), index)


@rule("stack")
def _stack(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Join along a new dimension: channels of the same index in each part are coupled."""
    parts = [ref for ref in as_list(node.inputs["tensors"]) if isinstance(ref, Ref)]
    dim = axis(node.inputs.get("dim", 0), len(result_shape(graph, node)))
    joined = combine(graph, [(graph.shape(ref), graph.labelling(ref)) for ref in parts], node.op)
    return [tuple(np.expand_dims(labels, dim) for labels in joined)]


@rule("expand", "expand_as")
def _expand(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Repeat dimensions of size 1; their labels are elastic, also for each head of each sample."""
    source, shape = subject(node), result_shape(graph, node)
    added = len(shape) - len(graph.shape(source))
    old = (1,) * added + graph.shape(source)
    if node.op == "expand_as":
        operands = [(graph.shape(ref), graph.labelling(ref)) for ref in tensors_of(graph, node)]
        return [combine(graph, operands, node.op)]
    sizes = as_list(node.inputs["size"])
    result = [a.reshape((1,) * added + a.shape) for a in graph.labelling(source)]
    for dim, (before, after) in enumerate(zip(old, shape, strict=True)):
        if before == 1 and after > 1 and not _counts_samples(graph, sizes[dim]):
            result += placed(graph.elastic(after), dim, len(shape))
    if source.name in graph.weights and node.outputs[0]:
        name, where = graph.weights[source.name]
        if old[added:] == shape[added:]:
            graph.weights[node.outputs[0]] = name, (-1,) * added + where
    return [tuple(result)]


def _counts_samples(graph: ChannelGraph, size: Argument) -> bool:
    """Tell whether a size depends on the inputs', and is no product, as of samples and heads."""
    return isinstance(size, Ref) and not any(
        node.op == "operator.mul" and size.name in node.outputs for node in graph.network.nodes
    )


@rule("broadcast_tensors")
def _broadcast_tensors(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    operands = [(graph.shape(ref), graph.labelling(ref)) for ref in tensors_of(graph, node)]
    return [combine(graph, operands, node.op)] * len(node.outputs)


@rule("repeat", "tile")
def _repeat(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source, shape = subject(node), result_shape(graph, node)
    added = len(shape) - len(graph.shape(source))
    old = (1,) * added + graph.shape(source)
    times = [new // size for new, size in zip(shape, old, strict=True)]
    result = []
    for a in graph.labelling(source):
        labels = a.reshape((1,) * added + a.shape)
        reps = [n if size > 1 else 1 for n, size in zip(times, labels.shape, strict=True)]
        result.append(np.tile(labels, reps))
        for dim in (d for d, n in enumerate(reps) if n > 1):
            graph.repeated(labels, dim, node.op)
    repeats = as_list(node.inputs["repeats" if node.op == "repeat" else "dims"])
    repeats = [*[1] * (len(shape) - len(repeats)), *repeats]  # of `tile`
    for dim, size in enumerate(old):
        if size == 1 < times[dim] and not isinstance(repeats[dim], Ref):
            result += placed(graph.elastic(times[dim]), dim, len(shape))
    return [tuple(result)]


@rule("constant_pad_nd", "pad")
def _pad(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow padding; channels that it adds are pinned."""
    source = subject(node)
    rank = len(graph.shape(source))
    pads = [as_int(size) for size in as_list(node.inputs["pad"])]
    pads += [0] * (2 * rank - len(pads))
    constant = node.inputs.get("mode", "constant") == "constant" and min(pads) >= 0
    labelling = graph.labelling(source)
    for dim in range(rank):
        before, after = pads[2 * (rank - 1 - dim)], pads[2 * (rank - 1 - dim) + 1]
        if before or after:
            if not constant or any(a.shape[dim] > 1 and len(spanned(a)) > 1 for a in labelling):
                labelling = graph.fix_array(labelling, dim, "they are padded")
            along = [labels for labels in labelling if labels.shape[dim] > 1]
            labelling = independent(labelling, dim)
            if along and constant:
                margins = [graph.fixed(n, "they are padding") for n in (before, after)]
                padded = np.concatenate([margins[0], along[0].ravel(), margins[1]])
                labelling += placed(padded, dim, rank)
    return [labelling]
