"""Operators that take some of the channels: slices, splits, and selections by an index."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, independent, spanned
from narrows.channels.rules.registry import pin_everything, readers, rule, subject
from narrows.graph import operators
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Argument, Node, Ref, as_int, as_ref
from narrows.graph.selections import selection

ONE_PIECE = "a piece of one channel can't be cut"
_TAKERS = frozenset(
    "slice.Tensor narrow split.Tensor split_with_sizes chunk index_select index.Tensor".split()
)


@rule("slice.Tensor")
def _slice(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    follow = _pieces if node.inputs.get("step", 1) == 1 else _stepped
    return follow(graph, node, index)


@rule("narrow", "split.Tensor", "split_with_sizes", "chunk", "index_select")
@rule("repeat_interleave.self_int")
def _pieces(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow an operator along one dimension by running it on the labels."""
    source = subject(node)
    if node.inputs.get("dim", 0) is None:  # the operator flattens first
        return pin_everything(graph, node, 0)
    dim = axis(node.inputs.get("dim", 0), len(graph.shape(source)))
    index = node.inputs.get("index")
    if index is not None and not _is_own(graph, index):
        graph.fix(source, [dim], f"{node.op} picks some of them")
    sizes = [graph.shapes.of(name)[dim] for name in node.outputs if name]
    heads = _are_heads(graph, source, dim)
    joint = any(len(spanned(a)) > 1 for a in graph.labelling(source))
    if joint and (min(sizes) == 0 or (min(sizes) == 1 and not heads)):
        graph.fix(source, [dim], ONE_PIECE)
    options = [value for name, value in node.inputs.items() if name != "self"]
    if any(isinstance(option, Ref) and graph.tensor(option) is None for option in options):
        graph.fix(source, [dim], "a piece's size or its index is computed")
        return [independent(graph.labelling(source), dim)] * len(node.outputs)
    results: list[list[Labels]] = [[] for _ in node.outputs]
    for labels in graph.labelling(source):
        pieces = run_on_labels(graph, node, labels) if labels.shape[dim] > 1 else None
        if pieces is not None and index is None and "repeats" not in node.inputs:
            graph.bound(labels, dim, places(graph, node, labels, dim), node.op)
        for number, result in enumerate(results):
            piece = labels if pieces is None else pieces[number]
            if pieces is not None and piece.shape[dim] == 1:
                _pin_whole(graph, piece)
            elif spanned(piece):
                result.append(piece)
    return [tuple(result) for result in results]


def _stepped(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow a slice with a step, such as the even channels, of which sines of positions are made.

    Neighbours go together, so that the slice takes one of each, whatever else goes.
    """
    source = subject(node)
    dim = axis(node.inputs.get("dim", 0), len(graph.shape(source)))
    if not _takes_one_of_each(node, graph.shape(source)[dim]):
        return [independent(graph.fix(source, [dim], f"{node.op} picks some of them"), dim)]
    step, result = as_int(node.inputs["step"]), []
    for labels in graph.labelling(source):
        if labels.shape[dim] > 1:
            neighbours = (*labels.shape[:dim], -1, step, *labels.shape[dim + 1 :])
            graph.tie(labels.reshape(neighbours), dim + 1)
            (labels,) = run_on_labels(graph, node, labels)
            if labels.shape[dim] == 1:
                _pin_whole(graph, labels)
                continue
        result.append(labels)
    return [tuple(result)]


def _takes_one_of_each(node: Node, size: int) -> bool:
    """Tell whether a slice takes one of each `step` neighbours, from the first to the last."""
    bounds = [node.inputs.get(name) for name in ("start", "end", "step")]
    if any(isinstance(bound, Ref) for bound in bounds):
        return False
    first, last, step = (None if bound is None else as_int(bound) for bound in bounds)
    return size % (step or 1) == 0 and len(range(size)[first:last:step]) == size // (step or 1)


def _pin_whole(graph: ChannelGraph, piece: Labels) -> None:
    """Pin a piece of one index; what it is joint with goes with it."""
    for inner in spanned(piece):
        piece = graph.tie(piece, inner)
    graph.pin(piece, ONE_PIECE)


def _are_heads(graph: ChannelGraph, source: Ref, dim: int) -> bool:
    """Tell whether pieces of joint labels along `dim` are heads, of which other calls take several.

    Those of queries, say, beside a single one of keys. Where all pieces have one index, they are
    queries, keys and values.
    """
    takers = [graph.network.nodes[i] for i in graph.network.readers[source.name] if i >= 0]
    sizes = [
        graph.shapes.of(name)[dim]
        for taker in takers
        if taker.op in _TAKERS
        for name in taker.outputs
        if name and len(graph.shapes.of(name)) == len(graph.shape(source))
    ]
    outer = all(a.shape[dim] == 1 or spanned(a)[0] == dim for a in graph.labelling(source))
    return outer and any(1 < size < graph.shape(source)[dim] for size in sizes)


def _is_own(graph: ChannelGraph, index: object) -> bool:
    """Tell whether an index is a named tensor of one call, so that its numbers can change."""
    return graph.tensor(index) is not None and len(readers(graph, graph.tensor(index) or "")) == 1


def places(graph: ChannelGraph, node: Node, labels: Labels, dim: int) -> list[int]:
    """Return the indices along `dim` at which pieces begin, and those behind their ends."""
    index = np.arange(labels.shape[dim]).reshape(
        [-1 if d == dim else 1 for d in range(labels.ndim)]
    )
    pieces = run_on_labels(graph, node, index)
    return [place for piece in pieces if piece.size for place in (piece.min(), piece.max() + 1)]


def run_on_labels(graph: ChannelGraph, node: Node, labels: Labels) -> list[Labels]:
    """Return the operator's results for the labels in place of its tensor."""
    arguments = {**node.inputs, "self": torch.from_numpy(labels.copy())}
    if "index" in arguments:
        index = graph.network.tensors[graph.tensor(arguments["index"]) or ""].cpu()
        arguments["index"] = index % labels.shape[as_int(node.inputs["dim"])]
    if "output_size" in arguments:
        arguments["output_size"] = None
    results = operators.run(node.op, arguments)
    pieces = results if isinstance(results, list | tuple) else [results]
    return [piece.numpy() for piece in pieces]


@rule("index.Tensor")
def _index(graph: ChannelGraph, node: Node, _place: int) -> Sequence[Labelling]:
    """Follow the dimensions without an index, if those with one are neighbours.

    Otherwise the result has the indices' dimensions in front.
    """
    if picked := selection(graph.network, node):
        picks: Mapping[str, Argument] = {
            "self": picked.source, "dim": picked.dim, "index": picked.index
        }  # fmt: skip
        return _pieces(graph, replace(node, op="index_select", inputs=picks), 0)
    source, indices = subject(node), as_list(node.inputs["indices"])
    used = [dim for dim, index in enumerate(indices) if index is not None]
    chosen = [as_ref(indices[dim]) for dim in used]
    if any(_is_mask(graph, index) for index in chosen) or used != list(
        range(used[0], used[-1] + 1)
    ):
        return pin_everything(graph, node, 0)
    added = max(len(graph.shape(index)) for index in chosen)
    rest = independent(graph.fix(source, used, "they are picked by an index"), *used)
    shapes = [(a.shape[: used[0]], a.shape[used[-1] + 1 :], a) for a in rest]
    return [tuple(a.reshape(*head, *(1,) * added, *tail) for head, tail, a in shapes)]


def _is_mask(graph: ChannelGraph, index: Ref) -> bool:
    """Tell whether an index is a named tensor of truth values, which picks as many as are true."""
    return graph.network.tensors.get(graph.tensor(index) or "", torch.zeros(1)).dtype == torch.bool
