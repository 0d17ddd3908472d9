"""Operators that move channels to other dimensions or places."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.labels import LabelBook, Labelling
from narrows.channels.rules.registry import as_list, axis, rule, subject
from narrows.graph.network import Node


@rule("permute", "transpose.int", "t", "mT", "numpy_T", "movedim.int", "movedim.intlist")
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
    if node.op == "numpy_T":
        return order[::-1]
    if rank > 1:
        first, second = (-2, -1) if node.op == "mT" else (0, 1)
        a, b = axis(given.get("dim0", first), rank), axis(given.get("dim1", second), rank)
        order[a], order[b] = b, a
    return order


def _moved(rank: int, old: list[int], new: list[int]) -> list[int]:
    order = [d for d in range(rank) if d not in old]
    for place, d in sorted(zip(new, old, strict=True)):
        order.insert(place, d)
    return order


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
