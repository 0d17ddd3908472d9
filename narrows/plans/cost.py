"""The cost of layers: parameters, and multiply–accumulates (MACs) for one sample.

A 3×3 convolution from 3 to 8 channels has 8 · 3 · 3² = 216 weights. On 10×10 pixels without padding
it applies each of them at 8² positions:

>>> import torch
>>> from narrows.channels.groups import find_channels
>>> from narrows.graph.from_export import as_network
>>> from narrows.graph.shapes import trace_shapes
>>> module = torch.nn.Conv2d(3, 8, 3, bias=False)
>>> network = as_network(module, (torch.zeros(2, 3, 10, 10),))
>>> shapes = trace_shapes(network, [(2, 3, 10, 10)])
>>> cost = network_cost(network, shapes, find_channels(network, shapes))
>>> cost.parameters, cost.macs == 216 * 8**2
(216, True)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from narrows.channels.labels import Dims
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.graph.layer_ops import is_convolution, is_transposed, weight_argument
from narrows.graph.network import Network
from narrows.graph.node import Node, as_ref
from narrows.graph.shapes import Shapes


@dataclass(frozen=True)
class Cost:
    """Parameters and multiply–accumulates (MACs) of a network for one sample, whole and by layer.

    `layers[name]` is the (parameters, MACs) pair of a layer; `parameters` also counts those of
    norms and other calls, `macs` only the layers.
    """

    layers: Mapping[str, tuple[int, int]]
    parameters: int
    macs: int


def network_cost(
    network: Network,
    shapes: Shapes,
    channels: Channels,
    copies: NDArray[np.int64] | None = None,
) -> Cost:
    """Return the cost of `network` when structure s exists `copies[s]` times (default: once).

    0 cuts a structure, 2 doubles it; `copies` has shape [S].

    >>> from narrows.example import two_neurons
    >>> network_cost(*two_neurons())  # weights of 2 × 1 and 1 × 2, each used once a sample
    Cost(layers={'hidden': (2, 2), 'output': (2, 2)}, parameters=4, macs=4)
    >>> network_cost(*two_neurons(), copies=np.array([0, 3])).parameters  # three neurons
    6
    """
    times = np.ones(len(channels), np.int64) if copies is None else copies
    sizes = {
        name: math.prod(_sizes(channels, tensor.shape, channels.tensors.get(name), times))
        for name, tensor in network.tensors.items()
    }
    layers = {
        layer.name: (
            sum(sizes[name] for name in layer.tensors),
            sum(_macs(network.nodes[i], shapes, channels, times) for i in layer.nodes),
        )
        for layer in channels.layers
    }
    total = sum(sizes[name] for name in network.parameters)
    return Cost(layers, total, sum(macs for _, macs in layers.values()))


def _sizes(
    channels: Channels, shape: Sequence[int], dims: Dims | None, copies: NDArray[np.int64]
) -> list[int]:
    """Return the sizes of a shape after its structures were copied or cut."""
    return [
        size if labels is None else channel_count(channels, labels, copies)
        for size, labels in zip(shape, dims or [None] * len(shape), strict=True)
    ]


def channel_count(channels: Channels, labels: NDArray[np.int64], copies: NDArray[np.int64]) -> int:
    """Return how many channels there are then of those labelled; those in no structure stay.

    >>> from narrows.example import two_neurons
    >>> channels = two_neurons()[2]
    >>> rows, _ = channels.tensors["hidden.weight"]
    >>> channel_count(channels, rows, np.array([0, 3]))
    3
    """
    structures = channels.structure_of[labels]
    free = structures != NO_STRUCTURE
    return int(np.count_nonzero(~free) + copies[structures[free]].sum())


def _macs(node: Node, shapes: Shapes, channels: Channels, copies: NDArray[np.int64]) -> int:
    """Return the MACs of a call of a layer for one sample.

    A convolution of a weight [out, in, k, k] has out·in·k² of them at each position. An embedding
    looks rows up and has none. If a weight is repeated over the batch, or has a matrix for each
    head, one of its matrices counts at each position.
    """
    if node.op == "embedding":
        return 0
    weight = as_ref(node.inputs[weight_argument(node.op)]).name
    sizes = _sizes(channels, shapes.of(weight), channels.values[weight], copies)
    return _positions(node, shapes) * math.prod(sizes if is_convolution(node.op) else sizes[-2:])


def _positions(node: Node, shapes: Shapes) -> int:
    """Return how often each weight is used for one sample.

    That is once for each position of the result, or of a transposed convolution's input.
    """
    result = shapes.of(node.outputs[0] or "")
    if not is_convolution(node.op):
        return math.prod(result[:-1]) // shapes.batch
    if is_transposed(node.op, dict(node.inputs)):
        result = shapes.of(as_ref(node.inputs["input"]).name)
    return math.prod(result[2:]) * result[0] // shapes.batch
