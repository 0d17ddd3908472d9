"""Operators that move, cut, join and repeat channels along dimensions that stay apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from worker.sosp import operators
from worker.sosp.channel_rules.elementwise import combine
from worker.sosp.channel_rules.registry import (
    as_list,
    axis,
    pin_everything,
    result_shape,
    rule,
    subject,
    tensors_of,
)
from worker.sosp.labels import LabelBook, Labelling, Labels, independent, placed, spanned
from worker.sosp.network import Node, Ref, as_int, as_ref

ONE_PIECE = "a piece of one channel can't be cut"
_COUNTED = "the program counts on their number"


# --- permutations ---------------------------------------------------------------------------------


@rule("permute", "transpose.int", "t", "movedim.int", "movedim.intlist")
def _permute(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    order = _order(node, len(book.shape(source)))
    if source.name in book.weights and node.outputs[0]:
        name, where = book.weights[source.name]
        book.weights[node.outputs[0]] = name, tuple(where[d] for d in order)
    return [tuple(labels.transpose(order) for labels in book.labelling(source))]


def _order(node: Node, rank: int) -> list[int]:
    given, order = node.inputs, list(range(rank))
    if node.op == "permute":
        return [axis(d, rank) for d in as_list(given["dims"])]
    if node.op.startswith("movedim"):
        old = [axis(d, rank) for d in as_list(given["source"])]
        new = [axis(d, rank) for d in as_list(given["destination"])]
        return _moved(rank, old, new)
    if rank > 1:
        a, b = axis(given.get("dim0", 0), rank), axis(given.get("dim1", 1), rank)
        order[a], order[b] = b, a
    return order


def _moved(rank: int, old: list[int], new: list[int]) -> list[int]:
    order = [d for d in range(rank) if d not in old]
    for place, d in sorted(zip(new, old, strict=True)):
        order.insert(place, d)
    return order


# --- pieces ---------------------------------------------------------------------------------------


@rule("slice.Tensor", "narrow", "split.Tensor", "split_with_sizes", "chunk", "index_select")
@rule("repeat_interleave.self_int")
def _pieces(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow an operator along one dimension by running it on the labels."""
    source = subject(node)
    if node.inputs.get("dim", 0) is None:  # the operator flattens first
        return pin_everything(book, node, 0)
    dim = axis(node.inputs.get("dim", 0), len(book.shape(source)))
    index = node.inputs.get("index")
    if node.inputs.get("step", 1) != 1 or (index is not None and book.tensor(index) is None):
        book.fix(source, [dim], f"{node.op} picks some of them")
    sizes = [book.shapes.of(name)[dim] for name in node.outputs if name]
    if min(sizes) == 1 and any(len(spanned(a)) > 1 for a in book.labelling(source)):
        book.fix(source, [dim], ONE_PIECE)
    if any(isinstance(argument, Ref) for name, argument in _options(node).items()):
        book.fix(source, [dim], "a piece's size is computed")
        return [independent(book.labelling(source), dim)] * len(node.outputs)
    results: list[list[Labels]] = [[] for _ in node.outputs]
    for labels in book.labelling(source):
        pieces = _run(book, node, labels) if labels.shape[dim] > 1 else None
        for place, result in enumerate(results):
            piece = labels if pieces is None else pieces[place]
            if pieces is not None and piece.shape[dim] == 1:
                book.pin(piece, ONE_PIECE)
            elif spanned(piece):
                result.append(piece)
    return [tuple(result) for result in results]


def _options(node: Node) -> dict[str, Any]:
    return {name: value for name, value in node.inputs.items() if name not in ("self", "index")}


def _run(book: LabelBook, node: Node, labels: Labels) -> list[Labels]:
    arguments = {**node.inputs, "self": torch.from_numpy(labels.copy())}
    if "index" in arguments:
        arguments["index"] = book.network.tensors[book.tensor(arguments["index"]) or ""].cpu()
    if "output_size" in arguments:
        arguments["output_size"] = None
    results = operators.run(node.op, arguments)
    pieces = results if isinstance(results, list | tuple) else [results]
    return [piece.numpy() for piece in pieces]


@rule("select.int", "unbind.int")
def _select(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    """Take slices of one index: the dimension keeps its size."""
    source = subject(node)
    dim = axis(node.inputs.get("dim", 0), len(book.shape(source)))
    rest = independent(book.fix(source, [dim], _COUNTED), dim)
    return [tuple(labels.squeeze(dim) for labels in rest)] * len(node.outputs)


@rule("flip")
def _flip(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    dims = [axis(d, len(book.shape(source))) for d in as_list(node.inputs["dims"])]
    return [tuple(np.flip(labels, tuple(dims)) for labels in book.labelling(source))]


@rule("roll")
def _roll(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    rank = len(book.shape(source))
    given = as_list(node.inputs.get("dims") or [])
    dims = [axis(d, rank) for d in given] or range(rank)
    return [book.fix(source, dims, "roll shifts them")]


@rule("index.Tensor")
def _index(book: LabelBook, node: Node, _place: int) -> Sequence[Labelling]:
    """Follow the dimensions that are not indexed, where only one is."""
    source, indices = subject(node), as_list(node.inputs["indices"])
    used = [dim for dim, index in enumerate(indices) if index is not None]
    if len(used) != 1:
        return pin_everything(book, node, 0)
    (dim,) = used
    index = as_ref(indices[dim])
    added = len(book.shape(index))
    if book.network.tensors.get(book.tensor(index) or "", torch.zeros(1)).dtype == torch.bool:
        return pin_everything(book, node, 0)
    rest = independent(book.fix(source, [dim], "they are picked by an index"), dim)
    shapes = [(a.shape[:dim], a.shape[dim + 1 :], a) for a in rest]
    return [tuple(a.reshape(*head, *(1,) * added, *tail) for head, tail, a in shapes)]


# --- joins ----------------------------------------------------------------------------------------


@rule("cat")
def _cat(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    parts = [ref for ref in as_list(node.inputs["tensors"]) if isinstance(ref, Ref)]
    dim = axis(node.inputs.get("dim", 0), len(book.shape(parts[0])))
    if len({len(spanned(a)) for ref in parts for a in book.labelling(ref) if a.shape[dim] > 1}) > 1:
        for ref in parts:
            for labels in book.labelling(ref):
                if labels.shape[dim] > 1 and len(spanned(labels)) > 1:
                    book.fix(ref, [dim], node.op)
    rank = len(book.shape(parts[0]))
    along = [next((a for a in book.labelling(ref) if a.shape[dim] > 1), None) for ref in parts]
    across = [_across(book.shape(ref), book.labelling(ref), dim) for ref in parts]
    rest = combine(book, across, node.op)
    if all(labels is None for labels in along):
        return [rest]
    reason = "they are joined with channels that are not followed"
    others = np.broadcast_shapes(*(_one(a.shape, dim) for a in along if a is not None))
    pieces = []
    for ref, followed in zip(parts, along, strict=True):
        size = book.shape(ref)[dim]
        labels = placed(book.fixed(size, reason), dim, rank)[0] if followed is None else followed
        pieces.append(np.broadcast_to(labels, (*others[:dim], size, *others[dim + 1 :])))
    joined = np.concatenate(pieces, dim)
    clash = [d for d in spanned(joined) if d != dim and any(a.shape[d] > 1 for a in rest)]
    for d in clash:
        joined = book.tie(joined, d)
    return [(*rest, joined)]


def _one(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim + 1 :])


def _across(
    shape: tuple[int, ...], labelling: Labelling, dim: int
) -> tuple[tuple[int, ...], Labelling]:
    """Return what a join couples: all dimensions but the joined one and those joint with it."""
    joint = [labels.shape for labels in labelling if labels.shape[dim] > 1]
    taken = {d for sizes in joint for d, size in enumerate(sizes) if size > 1} | {dim}
    kept = tuple(1 if d in taken else size for d, size in enumerate(shape))
    return kept, independent(labelling, dim)


@rule("stack")
def _stack(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    """Join along a new dimension: channels at the same place of every part are one."""
    parts = [ref for ref in as_list(node.inputs["tensors"]) if isinstance(ref, Ref)]
    dim = axis(node.inputs.get("dim", 0), len(result_shape(book, node)))
    joined = combine(book, [(book.shape(ref), book.labelling(ref)) for ref in parts], node.op)
    return [tuple(np.expand_dims(labels, dim) for labels in joined)]


# --- repetition and padding -----------------------------------------------------------------------


@rule("expand", "expand_as")
def _expand(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    """Repeat dimensions of size 1: their new size is that of whatever they meet."""
    source, shape = subject(node), result_shape(book, node)
    added = len(shape) - len(book.shape(source))
    old = (1,) * added + book.shape(source)
    if node.op == "expand_as":
        operands = [(book.shape(ref), book.labelling(ref)) for ref in tensors_of(book, node)]
        return [combine(book, operands, node.op)]
    sizes = as_list(node.inputs["size"])
    result = [a.reshape((1,) * added + a.shape) for a in book.labelling(source)]
    for dim, (before, after) in enumerate(zip(old, shape, strict=True)):
        if before == 1 and after > 1 and not isinstance(sizes[dim], Ref):
            result += placed(book.elastic(after), dim, len(shape))
    if source.name in book.weights and node.outputs[0]:
        name, where = book.weights[source.name]
        if old[added:] == shape[added:]:
            book.weights[node.outputs[0]] = name, (-1,) * added + where
    return [tuple(result)]


@rule("repeat")
def _repeat(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    source, shape = subject(node), result_shape(book, node)
    added = len(shape) - len(book.shape(source))
    old = (1,) * added + book.shape(source)
    times = [new // size for new, size in zip(shape, old, strict=True)]
    result = []
    for a in book.labelling(source):
        labels = a.reshape((1,) * added + a.shape)
        reps = [n if size > 1 else 1 for n, size in zip(times, labels.shape, strict=True)]
        result.append(np.tile(labels, reps))
    return [tuple(result)]


@rule("constant_pad_nd", "pad")
def _pad(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    """Add channels that stay where the padding is along channels."""
    source = subject(node)
    rank = len(book.shape(source))
    pads = [as_int(size) for size in as_list(node.inputs["pad"])]
    pads += [0] * (2 * rank - len(pads))
    constant = node.inputs.get("mode", "constant") == "constant" and min(pads) >= 0
    labelling = book.labelling(source)
    for dim in range(rank):
        before, after = pads[2 * (rank - 1 - dim)], pads[2 * (rank - 1 - dim) + 1]
        if before or after:
            if not constant or any(a.shape[dim] > 1 and len(spanned(a)) > 1 for a in labelling):
                labelling = book.fix_array(labelling, dim, "they are padded")
            along = [labels for labels in labelling if labels.shape[dim] > 1]
            labelling = independent(labelling, dim)
            if along and constant:
                margins = [book.fixed(n, "they are padding") for n in (before, after)]
                padded = np.concatenate([margins[0], along[0].ravel(), margins[1]])
                labelling += placed(padded, dim, rank)
    return [labelling]
