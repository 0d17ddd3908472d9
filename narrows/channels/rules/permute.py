"""Operators that move channels to other dimensions or places."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.labels import LabelBook, Labelling
from narrows.channels.rules.registry import rule, subject
from narrows.graph.dimensions import as_list, axis, permutation
from narrows.graph.network import Node


@rule("permute", "transpose.int", "t", "mT", "numpy_T", "movedim.int", "movedim.intlist")
def _permute(book: LabelBook, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    order = permutation(node, len(book.shape(source)))
    if source.name in book.weights and node.outputs[0]:
        name, where = book.weights[source.name]
        book.weights[node.outputs[0]] = name, tuple(where[d] for d in order)
    return [tuple(labels.transpose(order) for labels in book.labelling(source))]


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
