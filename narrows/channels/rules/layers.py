"""Layers: a dimension of their weight has an index for each output channel.

Convolutions have a module of their own.
"""

from collections.abc import Sequence
from typing import NamedTuple

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
from narrows.graph.node import Node, Ref, as_ref


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
    out = produce(graph, node, index, weight, dim, rows)
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
        columns = produce(graph, node, index, weight, weight.where[1], columns)
    return [(*indices, *placed(columns, -1, rank))]


def produce(
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
