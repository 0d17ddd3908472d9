"""Layers: a dimension of their weight has an index for each channel that they make."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from narrows.channels.labels import LabelBook, Labelling, Labels, Producer, independent, placed
from narrows.channels.rules.computed_weights import list_computed
from narrows.channels.rules.registry import (
    owner,
    pin_everything,
    readers,
    result_shape,
    rule,
    subject,
)
from narrows.graph.network import Node, Ref, as_int, as_ref


class Weight(NamedTuple):
    """A named tensor as a layer reads it: perhaps transposed, and repeated over the batch."""

    ref: Ref
    name: str
    where: tuple[int, ...]


def weight_of(book: LabelBook, argument: object) -> Weight | None:
    """Return the named tensor behind an argument, None where there is none."""
    if isinstance(argument, Ref) and argument.name in book.weights:
        return Weight(argument, *book.weights[argument.name])
    return None


@rule("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "conv3d.padding")
@rule("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input", "convolution")
def _convolution(book: LabelBook, node: Node, index: int) -> Sequence[Labelling]:
    source = subject(node)
    weight = weight_of(book, node.inputs["weight"])
    rank = len(book.shape(source))
    if rank != len(book.shape(as_ref(node.inputs["weight"]))):  # one sample, no batch
        return pin_everything(book, node, index)
    if weight is None or weight.ref.name not in book.network.leaves:
        return list_computed(book, node, index)
    transposed = bool(node.inputs.get("transposed", node.op.startswith("conv_transpose")))
    book.fix(source, range(2, rank), "a convolution runs along them")
    into = book.along(source, 1)
    dim, made = (_transposed if transposed else _forward)(book, node, weight, into)
    book.count(owner(book, weight.ref), "in_channels", into)
    made = _produce(book, node, index, weight, dim, made, "out_channels")
    return [(*independent(book.labelling(source), *range(1, rank)), *placed(made, 1, rank))]


def _forward(
    book: LabelBook, node: Node, weight: Weight, into: Labels | None
) -> tuple[int, Labels | None]:
    """Couple a convolution's input with its weight [out, in / groups, …]."""
    rows, columns = book.along(weight.ref, 0), book.along(weight.ref, 1)
    groups, channels = _groups(book, node)
    made = book.shape(weight.ref)[0]
    if groups == 1:
        book.couple(into, columns, node.op)
    elif groups == channels:  # depthwise: channel i makes channels k·i … k·i + k − 1
        spread = None if into is None else np.repeat(into, made // channels)
        book.couple(spread, rows, node.op)
        book.count(owner(book, weight.ref), "groups", into)
    else:
        for labels in (into, rows):
            if labels is not None:
                book.tie_blocks(labels, groups)
        book.couple(None if into is None else into[: channels // groups], columns, node.op)
    return 0, rows


def _transposed(
    book: LabelBook, node: Node, weight: Weight, into: Labels | None
) -> tuple[int, Labels | None]:
    """Couple a transposed convolution's input with its weight [in, out / groups, …]."""
    rows, columns = book.along(weight.ref, 1), book.along(weight.ref, 0)
    groups, channels = _groups(book, node)
    book.couple(into, columns, node.op)
    if groups == 1:
        return 1, rows
    if groups == channels:  # depthwise: what a channel makes goes with it
        book.pin(rows, "each channel of a depthwise convolution makes as many")
        book.count(owner(book, weight.ref), "groups", into)
        multiplier = book.shape(weight.ref)[1]
        return 0, None if columns is None else np.repeat(columns, multiplier)
    if into is not None:
        book.tie_blocks(into, groups)
    return 1, None if rows is None else np.tile(rows, groups)


def _groups(book: LabelBook, node: Node) -> tuple[int, int]:
    return as_int(node.inputs.get("groups", 1)), book.shape(subject(node))[1]


@rule("linear")
def _linear(book: LabelBook, node: Node, index: int) -> Sequence[Labelling]:
    weight = weight_of(book, node.inputs["weight"])
    if weight is None or len(weight.where) != 2:
        return list_computed(book, node, index)
    return _contract(book, node, index, subject(node), weight, 1)


@rule("addmm")
def _addmm(book: LabelBook, node: Node, index: int) -> Sequence[Labelling]:
    weight = weight_of(book, node.inputs["mat2"])
    scaled = any(node.inputs.get(factor, 1) != 1 for factor in ("alpha", "beta"))
    if weight is None:
        return list_computed(book, node, index)
    if scaled or len(book.shape(as_ref(node.inputs["self"]))) != 1:
        return pin_everything(book, node, index)
    return _contract(book, node, index, as_ref(node.inputs["mat1"]), weight, 0)


def follow_product(
    book: LabelBook, node: Node, index: int, source: Ref, weight: Weight
) -> Sequence[Labelling]:
    """Follow `matmul(source, weight)`, where the weight may be repeated over the batch."""
    return _contract(book, node, index, source, weight, len(weight.where) - 2)


def _contract(
    book: LabelBook, node: Node, index: int, source: Ref, weight: Weight, inner: int
) -> Sequence[Labelling]:
    """Follow a product that runs over the source's last dimension and the weight's `inner`."""
    outer = 2 * len(weight.where) - 3 - inner  # the other one of the last two
    into = book.along(source, -1)
    book.couple(into, book.along(weight.ref, inner), node.op)
    book.count(owner(book, weight.ref), "in_features", into)
    rows, dim = book.along(weight.ref, outer), weight.where[outer]
    made = _produce(book, node, index, weight, dim, rows, "out_features")
    rank = len(result_shape(book, node))
    return [(*independent(book.labelling(source), -1), *placed(made, -1, rank))]


@rule("embedding")
def _embedding(book: LabelBook, node: Node, index: int) -> Sequence[Labelling]:
    """Follow a table's columns: a table is the weight of a linear map of one-hot vectors.

    A table that also serves as another layer's weight rides along with that layer's channels.
    """
    weight, rank = weight_of(book, node.inputs["weight"]), len(result_shape(book, node))
    if weight is None or len(weight.where) != 2:
        return list_computed(book, node, index)
    book.pin(book.along(weight.ref, 0), "they are looked up by their index")
    columns = book.along(weight.ref, 1)
    indices = tuple(labels[..., None] for labels in book.labelling(as_ref(node.inputs["indices"])))
    if all(book.network.nodes[reader].op == "embedding" for reader in readers(book, weight.name)):
        columns = _produce(book, node, index, weight, weight.where[1], columns, "embedding_dim")
    else:
        book.count(owner(book, weight.ref), "embedding_dim", columns)
    return [(*indices, *placed(columns, -1, rank))]


def _produce(
    book: LabelBook,
    node: Node,
    index: int,
    weight: Weight,
    channel_dim: int,
    made: Labels | None,
    attribute: str,
) -> Labels | None:
    """Enter the layer into the book; its bias rides along with the channels that it makes."""
    bias = node.inputs.get("self" if node.op == "addmm" else "bias")
    if isinstance(bias, Ref):
        book.couple(book.along(bias, 0), made, node.op)
        if book.tensor(bias) is None:
            book.pin(made, "their bias is computed")
    own = book.tensor(bias)
    rows = book.fixed(1, "it is the only one") if made is None else made
    book.producers.append(Producer(index, node.op, weight.name, channel_dim, own, rows))
    if made is not None and weight.name.endswith(".weight"):
        book.count(weight.name.rpartition(".")[0], attribute, made)
    return made
