"""Layers: a dimension of their weight has an index for each output channel."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, independent, placed
from narrows.channels.records import Producer
from narrows.channels.rules.computed_weights import COMPUTED, list_computed
from narrows.channels.rules.registry import (
    pin_everything,
    readers,
    result_shape,
    rule,
    subject,
)
from narrows.graph.layer_ops import channel_axis
from narrows.graph.node import Node, Ref, as_int, as_ref


class Weight(NamedTuple):
    """A named tensor as a layer reads it: perhaps transposed, and repeated over the batch.

    `ref` is the value that the layer reads, `name` the tensor, and `where[d]` the dimension of the
    tensor that is dimension d of the value; −1 if it is repeated. Where the program computes the
    weight of other tensors, `name` is `ref`.
    """

    ref: Ref
    name: str | Ref
    where: tuple[int, ...]


def weight_of(graph: ChannelGraph, argument: object) -> Weight | None:
    """Return the weight behind an argument; None where it depends on the inputs.

    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> weight_of(graph, Ref("w")), weight_of(graph, Ref("x"))
    (Weight(ref=Ref(name='w'), name='hidden.weight', where=(0, 1)), None)
    """
    if isinstance(argument, Ref) and argument.name in graph.weights:
        return Weight(argument, *graph.weights[argument.name])
    if isinstance(argument, Ref) and argument.name in graph.computed:
        rank = len(graph.shape(argument))
        return Weight(argument, argument, tuple(range(rank))) if rank > 1 else None
    return None


@rule("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "conv3d.padding")
@rule("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input", "convolution")
def _convolution(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    source = subject(node)
    weight = weight_of(graph, node.inputs["weight"])
    rank = len(graph.shape(source))
    if rank != len(graph.shape(as_ref(node.inputs["weight"]))):  # one sample, no batch
        return pin_everything(graph, node, index)
    if weight is None:
        return list_computed(graph, node, index)
    if weight.ref.name not in graph.network.leaves:
        weight = Weight(weight.ref, weight.ref, tuple(range(rank)))
    transposed = bool(node.inputs.get("transposed", node.op.startswith("conv_transpose")))
    space = [dim for dim in range(2, rank) if not _passes(graph, node, weight.ref, dim)]
    graph.fix(source, space, "a convolution runs along them")
    into = graph.along(source, 1)
    dim, out = (_transposed if transposed else _forward)(graph, node, weight, into)
    out = _produce(graph, node, index, weight, dim, out)
    return [(*independent(graph.labelling(source), 1, *space), *placed(out, 1, rank))]


def _passes(graph: ChannelGraph, node: Node, weight: Ref, dim: int) -> bool:
    """Tell whether a convolution maps each index along `dim` by itself, and keeps all of them."""
    return (
        graph.shape(weight)[dim] == 1
        and graph.shape(subject(node))[dim] == result_shape(graph, node)[dim]
    )


def _forward(
    graph: ChannelGraph, node: Node, weight: Weight, into: Labels | None
) -> tuple[int, Labels | None]:
    """Couple a convolution's input with its weight [out, in / groups, …].

    Return the weight's dimension of output channels, and their labels.
    """
    rows, columns = graph.along(weight.ref, 0), graph.along(weight.ref, 1)
    groups, channels = _groups(graph, node)
    outputs = graph.shape(weight.ref)[0]
    if groups == 1:
        graph.couple(into, columns, node.op)
    elif groups == channels:  # depthwise: of channel i come channels k·i … k·i + k − 1
        spread = None if into is None else np.repeat(into, outputs // channels)
        graph.couple(spread, rows, node.op)
    else:
        for labels in (into, rows):
            if labels is not None:
                graph.tie_blocks(labels, groups)
        graph.couple(None if into is None else into[: channels // groups], columns, node.op)
    return 0, rows


def _transposed(
    graph: ChannelGraph, node: Node, weight: Weight, into: Labels | None
) -> tuple[int, Labels | None]:
    """Couple a transposed convolution's input with its weight [in, out / groups, …].

    Return the weight's dimension of output channels, and their labels.
    """
    rows, columns = graph.along(weight.ref, 1), graph.along(weight.ref, 0)
    groups, channels = _groups(graph, node)
    graph.couple(into, columns, node.op)
    if groups == 1:
        return 1, rows
    if groups == channels:  # depthwise: the output channels of a channel go with it
        graph.pin(rows, "each channel of a depthwise convolution makes as many")
        multiplier = graph.shape(weight.ref)[1]
        return 0, None if columns is None else np.repeat(columns, multiplier)
    if into is not None:
        graph.tie_blocks(into, groups)
    if rows is not None:
        graph.repeated(rows, 0, node.op)
    return 1, None if rows is None else np.tile(rows, groups)


def _groups(graph: ChannelGraph, node: Node) -> tuple[int, int]:
    return as_int(node.inputs.get("groups", 1)), graph.shape(subject(node))[1]


@rule("linear")
def _linear(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    weight = weight_of(graph, node.inputs["weight"])
    if weight is None or len(weight.where) != 2:
        return list_computed(graph, node, index)
    return _contract(graph, node, index, subject(node), weight, 1)


@rule("addmm")
def _addmm(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    weight = weight_of(graph, node.inputs["mat2"])
    scaled = any(node.inputs.get(factor, 1) != 1 for factor in ("alpha", "beta"))
    if weight is None:
        return list_computed(graph, node, index)
    if scaled or len(graph.shape(as_ref(node.inputs["self"]))) != 1:
        return pin_everything(graph, node, index)
    return _contract(graph, node, index, as_ref(node.inputs["mat1"]), weight, 0)


def follow_product(
    graph: ChannelGraph, node: Node, index: int, source: Ref, weight: Weight
) -> Sequence[Labelling]:
    """Follow `matmul(source, weight)`, where the weight may be repeated over the batch."""
    return _contract(graph, node, index, source, weight, len(weight.where) - 2)


def _contract(
    graph: ChannelGraph, node: Node, index: int, source: Ref, weight: Weight, inner: int
) -> Sequence[Labelling]:
    """Follow a product that sums over the source's last dimension and the weight's `inner`."""
    outer = 2 * len(weight.where) - 3 - inner  # the other one of the last two
    into = graph.along(source, -1)
    graph.couple(into, graph.along(weight.ref, inner), node.op)
    rows, dim = graph.along(weight.ref, outer), weight.where[outer]
    out = _produce(graph, node, index, weight, dim, rows)
    rank = len(result_shape(graph, node))
    return [(*independent(graph.labelling(source), -1), *placed(out, -1, rank))]


@rule("embedding")
def _embedding(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow a table's columns: a table is the weight of a linear map of one-hot vectors.

    If a table is another layer's weight, too, its columns are coupled with that layer's channels.
    """
    weight, rank = weight_of(graph, node.inputs["weight"]), len(result_shape(graph, node))
    if weight is None or len(weight.where) != 2:
        return list_computed(graph, node, index)
    graph.pin(graph.along(weight.ref, 0), "they are looked up by their index")
    columns, name = graph.along(weight.ref, 1), weight.name
    indices = tuple(labels[..., None] for labels in graph.labelling(as_ref(node.inputs["indices"])))
    others = set() if isinstance(name, Ref) else readers(graph, name)
    if all(graph.network.nodes[reader].op == "embedding" for reader in others):
        columns = _produce(graph, node, index, weight, weight.where[1], columns)
    return [(*indices, *placed(columns, -1, rank))]


def _produce(
    graph: ChannelGraph,
    node: Node,
    index: int,
    weight: Weight,
    channel_dim: int,
    out: Labels | None,
) -> Labels | None:
    """Record the layer; couple its bias with its output channels, and return their labels."""
    bias = node.inputs.get("self" if node.op == "addmm" else "bias")
    if isinstance(bias, Ref):
        graph.couple(graph.along(bias, 0), out, node.op)
        if bias.name in graph.network.varying:
            graph.pin(out, "their bias depends on the inputs")
    own = graph.tensor(bias) or (bias if isinstance(bias, Ref) else None)
    width = result_shape(graph, node)[channel_axis(node.op)]
    alone = "it is the only one" if width == 1 else COMPUTED
    rows = graph.fixed(width, alone) if out is None else out
    if isinstance(weight.name, str) or weight.ref.name not in graph.constant:
        graph.producers.append(Producer(index, node.op, weight.name, channel_dim, own, rows))
    return out
