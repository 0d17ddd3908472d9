"""Magnitude: the norm of the weights that go into a channel; it does not depend on the data.

See docs/method.md, "Definitions".
"""

import numpy as np
import torch

from narrows.arrays import Floats
from narrows.batch import Batch
from narrows.channels.structures import NO_STRUCTURE, Channels, Layer
from narrows.gates.gated_network import GatedNetwork
from narrows.graph.constants import KnownTensors
from narrows.graph.network import Network
from narrows.graph.node import Ref
from narrows.losses import Loss
from narrows.methods.criterion import DEFAULTS, MethodOptions, sorted_by
from narrows.methods.partial_sums import Averages, PartialSums, one_row


def measure(
    gated: GatedNetwork, batch: Batch, loss: Loss, _options: MethodOptions = DEFAULTS
) -> PartialSums:
    """Return the partial sums `squares` and `relative`, the `square_norms` times the samples.

    Samples that do not count are left out, and only the loss depends on the batch.

    >>> from narrows.example import gated_neurons, one_sample
    >>> from narrows.losses import LOSSES
    >>> sums = measure(gated_neurons(), one_sample(), LOSSES["mse"])
    >>> sums.loss, sums.sums["squares"]  # 1² and 2²
    (array([1.]), array([[1., 4.]]))
    """
    with torch.no_grad():
        outputs = gated.original(*batch.inputs)[0]
        value, count = loss(outputs, batch.targets), loss.count(outputs, batch.targets)
    squares, relative = square_norms(gated.original, gated.channels)
    squares, relative = count.counted * squares, count.counted * relative
    return one_row(value.item(), len(batch), count=count, squares=squares, relative=relative)


def saliencies(averages: Averages) -> Floats:
    """Return `‖θ_s‖₂` [S], in units of the weights.

    >>> saliencies(Averages(0.0, {"squares": np.array([25.0, 4.0])}, np.empty((0, 2))))
    array([5., 2.])
    """
    result: Floats = np.sqrt(averages.means["squares"])
    return result


def relative_saliencies(averages: Averages) -> Floats:
    """Return `‖θ_s‖₂` [S] with every layer's rows divided by their root mean square norm.

    >>> relative_saliencies(Averages(0.0, {"relative": np.array([0.25, 2.25])}, np.empty((0, 2))))
    array([0.5, 1.5])
    """
    result: Floats = np.sqrt(averages.means["relative"])
    return result


order, relative_order = sorted_by(saliencies), sorted_by(relative_saliencies)


def square_norms(network: Network, channels: Channels) -> tuple[Floats, Floats]:
    """Return `‖θ_s‖₂²` [S], plain and divided by the mean of the layer's rows.

    >>> from narrows.example import two_neurons
    >>> network, _, channels = two_neurons()
    >>> square_norms(network, channels)  # weights 1 and 2; the mean square is 2.5
    (array([1., 4.]), array([0.4, 1.6]))
    """
    known = KnownTensors(network)
    plain, relative = np.zeros((2, len(channels)))
    for layer in channels.layers:
        kept = layer.structures != NO_STRUCTURE
        if layer.weight is None:  # no structures either
            continue
        squares = _rows(network, known, layer)
        np.add.at(plain, layer.structures[kept], squares[kept])
        mean = squares.mean() or 1.0
        np.add.at(relative, layer.structures[kept], squares[kept] / mean)
    return plain, relative


def _rows(network: Network, known: KnownTensors, layer: Layer) -> Floats:
    """Return the square norm of the weights and the bias of each channel of a layer, [width]."""
    tensor, dim = network.tensors[layer.weight or ""], layer.channel_dim
    if layer.computed is not None:
        tensor, dim = known[layer.computed[0]], layer.computed[1]
    weight = tensor.detach().double().movedim(dim, 0)
    squares = weight.flatten(1).square().sum(1).numpy(force=True)
    squares = np.tile(squares, layer.width // len(squares)) / (layer.width // len(squares))
    call = network.nodes[layer.nodes[0]]
    bias = call.inputs.get("self" if call.op == "addmm" else "bias")
    if isinstance(bias, Ref):
        squares = squares + known[bias.name].detach().double().square().numpy(force=True)
    return squares
