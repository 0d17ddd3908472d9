"""What layers cost: parameters, and multiply–accumulates for one sample."""

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

    `layers[name]` is the (parameters, MACs) pair of a layer; `parameters` also counts norms and the
    like, `macs` the layers alone.
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
    """Count what `network` costs when structure s exists `copies[s]` times (default: once).

    0 prunes a structure, 2 doubles it; `copies` has shape [S].
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
    """Return what is left of a shape when its structures are copied or cut."""
    return [
        size if labels is None else channel_count(channels, labels, copies)
        for size, labels in zip(shape, dims or [None] * len(shape), strict=True)
    ]


def channel_count(channels: Channels, labels: NDArray[np.int64], copies: NDArray[np.int64]) -> int:
    """Return how many channels remain of those labelled; what is in no structure stays."""
    structures = channels.structure_of[labels]
    free = structures != NO_STRUCTURE
    return int(np.count_nonzero(~free) + copies[structures[free]].sum())


def _macs(node: Node, shapes: Shapes, channels: Channels, copies: NDArray[np.int64]) -> int:
    """Return how often a sample is multiplied by a weight in a call of a layer.

    An embedding looks rows up and multiplies nothing. Of a weight that is repeated over the batch,
    or has a matrix for every head, each position meets one matrix.
    """
    if node.op == "embedding":
        return 0
    weight = as_ref(node.inputs[weight_argument(node.op)]).name
    sizes = _sizes(channels, shapes.of(weight), channels.values[weight], copies)
    return _positions(node, shapes) * math.prod(sizes if is_convolution(node.op) else sizes[-2:])


def _positions(node: Node, shapes: Shapes) -> int:
    """Return how often a sample applies each weight.

    That is once a position of the result, or of the input of a transposed convolution.
    """
    result = shapes.of(node.outputs[0] or "")
    if not is_convolution(node.op):
        return math.prod(result[:-1]) // shapes.batch
    if is_transposed(node.op, dict(node.inputs)):
        result = shapes.of(as_ref(node.inputs["input"]).name)
    return math.prod(result[2:]) * result[0] // shapes.batch
