"""Layers with a weight that the program computes, such as `weight * mask`.

What is computed of parameters alone, such as a standardized weight, has their channels, and the
parameter is cut. A weight that depends on the inputs is not followed.
"""

from collections.abc import Collection, Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, placed, spanned
from narrows.channels.records import Producer
from narrows.channels.rules.registry import pin_everything, pin_operands, result_shape
from narrows.graph.layer_ops import channel_axis, weight_argument
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref, as_ref

COMPUTED = "its weight is computed by the program"


def list_computed(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Record a layer whose weight depends on the inputs; pin its input and output channels.

    Return the labelling of its result. A call with a vector for a weight is not a layer.
    """
    weight = as_ref(node.inputs[weight_argument(node.op)])
    if len(graph.shape(weight)) < 2:
        return pin_everything(graph, node, index)
    pin_operands(graph, node, "they meet a weight that the program computes")
    width = result_shape(graph, node)[channel_axis(node.op)]
    rows = graph.fixed(width, COMPUTED)
    graph.producers.append(Producer(index, node.op, weight, 0, None, rows))
    return [placed(rows, channel_axis(node.op), len(result_shape(graph, node)))]


def bind_computed(graph: ChannelGraph, component: Labels) -> dict[Ref, tuple[str, int]]:
    """Return for each computed weight and bias its parameter, and the latter's channel dimension.

    It is the largest parameter that only this layer depends on, and that has an index for each
    channel, or for each head of channels. Where a weight has none, pin the channels. `component`
    are those of all labels.
    """
    uses: dict[Ref, list[Producer]] = {}
    for producer in graph.producers:
        for ref in (producer.weight, producer.bias):
            if isinstance(ref, Ref):
                uses.setdefault(ref, []).append(producer)
    found: dict[Ref, tuple[str, int]] = {}
    for ref, producers in uses.items():
        rows, is_weight = component[producers[0].rows], ref == producers[0].weight
        for name in own_tensors(graph.network, [producer.node for producer in producers]):
            tensors = graph.network.tensors
            larger = ref not in found or tensors[name].numel() > tensors[found[ref][0]].numel()
            for labels in graph.tensors.get(name, ()) if larger else ():
                own = component[labels].ravel()
                fits = np.array_equal(np.repeat(own, len(rows) // len(own)), rows)
                if fits and (labels.ndim > 1) == is_weight:
                    found[ref] = name, spanned(labels)[0]
        if is_weight and ref not in found:
            for producer in producers:
                graph.pin(producer.rows, COMPUTED)
    return found


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
