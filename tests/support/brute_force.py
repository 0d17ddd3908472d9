"""What gate space must equal: double backward over the weights themselves.

See docs/method.md, "Definitions".
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.arrays import Floats
from narrows.channels.groups import layer_name
from narrows.channels.structures import NO_STRUCTURE, Channels, Layer
from narrows.graph.network import Network
from narrows.graph.node import Ref
from narrows.losses import Loss


class Rows(NamedTuple):
    """A weight or bias, and the structure of each index along its dimension `dim`."""

    weight: Tensor
    structures: NDArray[np.int64]
    dim: int = 0

    def along(self, vector: Tensor) -> Tensor:
        """View a vector so that it broadcasts along the dimension."""
        return vector.view([-1 if d == self.dim else 1 for d in range(self.weight.dim())])


def weight_space(
    network: Network, channels: Channels, inputs: Tensor, targets: Tensor, loss: Loss
) -> tuple[Floats, Floats]:
    """Return θ_s·g and θ_s·(Hθ_struc) of every structure, for the loss summed over the batch."""
    tensors = {
        name: tensor.clone().requires_grad_() if name in network.parameters else tensor
        for name, tensor in network.tensors.items()
    }
    outputs = replace(network, tensors=tensors)(inputs)[0]
    rows = [_rows_of(a, tensors[a.weight]) for a in channels.layers if a.weight]
    rows += [Rows(tensors[a.bias], a.structures) for a in channels.layers if a.bias]
    g, h = gradient_and_product(loss(outputs, targets), rows)
    return _per_structure(channels, rows, g), _per_structure(channels, rows, h)


def _rows_of(layer: Layer, weight: Tensor) -> Rows:
    """Tell the structure of each row; grouped transposed convolutions reuse rows in each group."""
    size = weight.shape[layer.channel_dim]
    step = layer.width // size if layer.channel_dim == 0 else 1
    return Rows(weight, layer.structures[::step][:size], layer.channel_dim)


def gradient_and_product(
    loss: Tensor, rows: Sequence[Rows]
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return g and Hθ_struc, a tensor for each weight, by differentiating twice."""
    weights = [row.weight for row in rows]
    g = torch.autograd.grad(loss, weights, create_graph=True)
    theta = [
        row.weight.detach() * row.along(torch.from_numpy(row.structures != NO_STRUCTURE))
        for row in rows
    ]
    along = torch.stack([(a * b).sum() for a, b in zip(g, theta, strict=True)]).sum()
    return [a.detach() for a in g], torch.autograd.grad(along, weights, materialize_grads=True)


def _per_structure(channels: Channels, rows: Sequence[Rows], vectors: Sequence[Tensor]) -> Floats:
    total = np.zeros(len(channels))
    for row, vector in zip(rows, vectors, strict=True):
        products = (row.weight.detach() * vector).movedim(row.dim, 0)
        products = products.reshape(len(row.structures), -1).sum(1)
        free = row.structures != NO_STRUCTURE
        np.add.at(total, row.structures[free], products.numpy()[free])
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
        tensors={},
        values={},
        normalized={},
    )


def _layers(network: Network) -> Iterator[Layer]:
    count = 0
    calls: dict[str, list[int]] = {}
    for index, node in enumerate(network.nodes):
        weight = node.inputs.get("weight")
        if (node.op.startswith("conv") or node.op == "linear") and isinstance(weight, Ref):
            calls.setdefault(network.leaves[weight.name], []).append(index)
    for group, (weight, nodes) in enumerate(calls.items()):
        node = network.nodes[nodes[0]]
        channel_dim = int(node.op.startswith("conv_transpose"))
        width = network.tensors[weight].shape[channel_dim]
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
            channel_dim=channel_dim,
        )
        count += width
