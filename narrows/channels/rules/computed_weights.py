"""Layers with a weight that the program computes, such as `weight * mask`; they are not pruned."""

from collections.abc import Collection, Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, placed
from narrows.channels.records import Producer
from narrows.channels.rules.registry import pin_everything, pin_operands, result_shape
from narrows.graph.layer_ops import channel_axis, weight_argument
from narrows.graph.network import Network
from narrows.graph.node import Node, as_ref

COMPUTED = "its weight is computed by the program"


def list_computed(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Record a layer whose weight is no named tensor; pin its input and output channels.

    Return the labelling of its result. A call with a vector for a weight is not a layer.
    """
    if len(graph.shape(as_ref(node.inputs[weight_argument(node.op)]))) < 2:
        return pin_everything(graph, node, index)
    pin_operands(graph, node, "they meet a weight that the program computes")
    rows = enter_computed(graph, node, index)
    return [placed(rows, channel_axis(node.op), len(result_shape(graph, node)))]


def enter_computed(
    graph: ChannelGraph, node: Node, index: int, made: Labels | None = None
) -> Labels | None:
    """Record a layer with a computed weight; return the pinned labels of its output channels.

    `made` are their labels where they have some already; None is returned for a single channel.
    """
    width = result_shape(graph, node)[channel_axis(node.op)]
    graph.pin(made, COMPUTED)
    rows = graph.fixed(width, COMPUTED) if made is None else made
    weight = as_ref(node.inputs[weight_argument(node.op)])
    graph.producers.append(Producer(index, node.op, weight, 0, None, rows))
    return rows if width > 1 else None


def own_tensors(network: Network, calls: Collection[int]) -> tuple[str, ...]:
    """Return the parameters that only these calls depend on, directly or through computed weights.

    A mask, which is a buffer, is not among them, nor a weight that another layer uses, too.

    >>> from narrows.example import two_neurons
    >>> network, *_ = two_neurons()
    >>> own_tensors(network, {0})  # the call of the layer `hidden`
    ('hidden.weight',)
    """
    serving = set(calls)
    for index, node in reversed(list(enumerate(network.nodes))):
        readers = {i for name in node.outputs if name for i in network.readers.get(name, ())}
        if readers and readers <= serving and network.varying.isdisjoint(node.outputs):
            serving.add(index)
    return tuple(
        name
        for leaf, name in network.leaves.items()
        if name in network.parameters
        and (readers := set(network.readers.get(leaf, ())))
        and readers <= serving
    )
