"""What layers cost: parameters, and multiply–accumulates for one sample."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.sosp.channels import NO_STRUCTURE, Channels
from worker.sosp.layer_ops import is_convolution, is_transposed
from worker.sosp.network import Network, as_ref
from worker.sosp.shapes import Shapes


@dataclass(frozen=True)
class Cost:
    """Parameters and multiply–accumulates (MACs) of a network for one sample, whole and by layer.

    `layers[name]` is the (parameters, MACs) pair of a layer; `parameters` also counts norms and the
    like, `macs` the layers alone.
    """

    layers: Mapping[str, tuple[int, int]]
    parameters: int
    macs: int


def cost(
    network: Network,
    shapes: Shapes,
    channels: Channels,
    copies: NDArray[np.int64] | None = None,
) -> Cost:
    """Count what `network` costs when structure s exists `copies[s]` times (default: once).

    0 prunes a structure, 2 doubles it; `copies` has shape [S].
    """
    times = np.ones(len(channels), np.int64) if copies is None else copies
    sizes = {name: _size(network, channels, name, times) for name in network.tensors}
    layers: dict[str, tuple[int, int]] = {}
    for layer in channels.layers:
        parameters = sizes[layer.weight] + (sizes[layer.bias] if layer.bias else 0)
        macs = sum(_positions(network, shapes, i) for i in layer.nodes) * sizes[layer.weight]
        layers[layer.name] = (parameters, macs)
    total = sum(sizes[name] for name in network.parameters)
    return Cost(layers, total, sum(macs for _, macs in layers.values()))


def _size(network: Network, channels: Channels, name: str, copies: NDArray[np.int64]) -> int:
    """Return how many numbers the tensor holds when its structures are copied or cut."""
    shape = network.tensors[name].shape
    dims = channels.tensors.get(name, (None,) * len(shape))
    return math.prod(
        size if labels is None else channel_count(channels, labels, copies)
        for size, labels in zip(shape, dims, strict=True)
    )


def channel_count(channels: Channels, labels: NDArray[np.int64], copies: NDArray[np.int64]) -> int:
    """Return how many channels remain of those labelled; what is in no structure stays."""
    structures = channels.structure_of[labels]
    free = structures != NO_STRUCTURE
    return int(np.count_nonzero(~free) + copies[structures[free]].sum())


def _positions(network: Network, shapes: Shapes, index: int) -> int:
    """Return how often a sample applies each weight.

    That is once a position of the result, or of the input of a transposed convolution; an embedding
    looks rows up and multiplies nothing.
    """
    node = network.nodes[index]
    if node.op == "embedding":
        return 0
    result = shapes.of(node.outputs[0] or "")
    if not is_convolution(node.op):
        return math.prod(result[:-1]) // shapes.batch
    if is_transposed(node.op, dict(node.inputs)):
        result = shapes.of(as_ref(node.inputs["input"]).name)
    return math.prod(result[2:]) * result[0] // shapes.batch
