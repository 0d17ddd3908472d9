"""What gate space must equal: double backward over the weights themselves (METHOD §1)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.sosp.channels import NO_STRUCTURE, Channels, Layer, layer_name
from worker.sosp.losses import Loss
from worker.sosp.network import Network, Ref

Floats = NDArray[np.float64]


Row = tuple[Tensor, NDArray[np.int64]]
"""A weight or bias, and the structure of each of its rows."""


def weight_space(
    network: Network, channels: Channels, inputs: Tensor, targets: Tensor, loss: Loss
) -> tuple[Floats, Floats]:
    """Return θ_s·g and θ_s·(Hθ_struc) of every structure, for the loss summed over the batch."""
    tensors = {
        name: tensor.clone().requires_grad_() if name in network.parameters else tensor
        for name, tensor in network.tensors.items()
    }
    outputs = replace(network, tensors=tensors)(inputs)[0]
    rows = [
        (tensors[name], layer.structures)
        for layer in channels.layers
        for name in (layer.weight, layer.bias)
        if name
    ]
    g, h = gradient_and_product(loss(outputs, targets), rows)
    return _per_structure(channels, rows, g), _per_structure(channels, rows, h)


def gradient_and_product(
    loss: Tensor, rows: Sequence[Row]
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return g and Hθ_struc, a tensor for each weight, by differentiating twice."""
    weights = [weight for weight, _ in rows]
    g = torch.autograd.grad(loss, weights, create_graph=True)
    theta = [w.detach() * _rows_of(structures, w) for w, structures in rows]
    along = torch.stack([(a * b).sum() for a, b in zip(g, theta, strict=True)]).sum()
    return [a.detach() for a in g], torch.autograd.grad(along, weights)


def _rows_of(structures: NDArray[np.int64], weight: Tensor) -> Tensor:
    mask = torch.from_numpy(structures != NO_STRUCTURE)
    return mask.view(-1, *(1,) * (weight.dim() - 1)).to(weight.dtype)


def _per_structure(channels: Channels, rows: Sequence[Row], vectors: Sequence[Tensor]) -> Floats:
    total = np.zeros(len(channels))
    for (weight, structures), vector in zip(rows, vectors, strict=True):
        products = (weight.detach() * vector).reshape(len(weight), -1).sum(1).numpy()
        free = structures != NO_STRUCTURE
        np.add.at(total, structures[free], products[free])
    return total


def every_row_alone(network: Network) -> Channels:
    """Return channels in which each row of each layer is a structure, whatever it is tied to.

    Gate space must hold for any choice of structures; this one reaches every layer.
    """
    return Channels(
        layers=(layers := tuple(_layers(network))),
        groups=np.concatenate([np.full(layer.width, layer.group) for layer in layers]),
        positions=np.concatenate([np.arange(layer.width) for layer in layers]),
        structure_of=np.empty(0, np.int64),
        attributes=(),
        tensors={},
        values={},
    )


def _layers(network: Network) -> Iterator[Layer]:
    count = 0
    calls: dict[str, list[int]] = {}
    for index, node in enumerate(network.nodes):
        weight = node.inputs.get("weight")
        if node.op in ("conv1d", "conv2d", "conv3d", "linear") and isinstance(weight, Ref):
            calls.setdefault(network.leaves[weight.name], []).append(index)
    for group, (weight, nodes) in enumerate(calls.items()):
        node, width = network.nodes[nodes[0]], len(network.tensors[weight])
        bias = node.inputs.get("bias")
        yield Layer(
            name=layer_name(weight),
            op=node.op,
            weight=weight,
            bias=network.leaves[bias.name] if isinstance(bias, Ref) else None,
            nodes=tuple(nodes),
            structures=np.arange(count, count + width),
            group=group,
            reason=None,
        )
        count += width
