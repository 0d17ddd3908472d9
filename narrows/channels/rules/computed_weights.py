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
_PARTING = frozenset({"chunk", "narrow", "slice.Tensor", "split.Tensor", "split_with_sizes"})


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
    channel, or for each head of channels. A weight that is a piece of a parameter has that one.
    Where a weight has none, pin the channels. `component` are those of all labels.
    """
    uses: dict[Ref, list[Producer]] = {}
    for producer in graph.producers:
        for ref in (producer.weight, producer.bias):
            if isinstance(ref, Ref):
                uses.setdefault(ref, []).append(producer)
    found: dict[Ref, tuple[str, int]] = {}
    for ref, producers in uses.items():
        rows, is_weight = component[producers[0].rows], ref == producers[0].weight
        calls = [producer.node for producer in producers]
        dim = producers[0].channel_dim if is_weight else 0
        own = _largest(graph, component, calls, rows, 2 if is_weight else 1)
        if own or (own := _packed(graph, component, ref, rows, dim)):
            found[ref] = own
        elif is_weight:
            for producer in producers:
                graph.pin(producer.rows, COMPUTED)
    return found


def _largest(
    graph: ChannelGraph, component: Labels, calls: Collection[int], rows: Labels, rank: int
) -> tuple[str, int] | None:
    """Return the largest parameter of these calls alone that has their rows, and which dimension.

    It is a matrix, or more, for a `rank` of 2, and a vector for one of 1.
    """
    tensors, found = graph.network.tensors, None
    for name in own_tensors(graph.network, calls):
        larger = found is None or tensors[name].numel() > tensors[found[0]].numel()
        for labels in graph.tensors.get(name, ()) if larger else ():
            own = component[labels].ravel()
            fits = np.array_equal(np.repeat(own, len(rows) // len(own)), rows)
            if fits and min(labels.ndim, 2) == rank:
                found = name, spanned(labels)[0]
    return found


def _packed(
    graph: ChannelGraph, component: Labels, piece: Ref, rows: Labels, dim: int
) -> tuple[str, int] | None:
    """Return the parameter of which pieces along `dim` are weights of several layers, and `dim`.

    So torch's attention parts the weight of its projections where keys are not of the queries'
    tokens.
    """
    network = graph.network
    made = next((node for node in network.nodes if piece.name in node.outputs), None)
    source = made.inputs["self"] if made is not None and made.op in _PARTING else None
    name = graph.tensor(source)
    if name not in network.parameters or name not in graph.tensors:
        return None
    readers = [network.nodes[i].op for i in network.readers[as_ref(source).name] if i >= 0]
    along = [component[labels].ravel() for labels in graph.tensors[name] if labels.shape[dim] > 1]
    starts = ((line, i) for line in along for i in np.flatnonzero(line == rows[0]))
    parts = (line[i : i + len(rows)] for line, i in starts)
    holds = any(np.array_equal(part, rows) for part in parts)
    return (name, dim) if holds and _PARTING.issuperset(readers) else None


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
