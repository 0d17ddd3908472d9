"""Builds the networks of `benchmarks.gains`, with initial weights, and names their layers."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import nn

from benchmarks.architecture import SIDE, Architecture
from benchmarks.gain_convolutions import Plain, Residual, Separable
from benchmarks.gain_perceptrons import Mlp, Transformer

KINDS: dict[str, Callable[[Architecture], nn.Module]] = {
    "plain": Plain,
    "residual": Residual,
    "separable": Separable,
    "mlp": Mlp,
    "transformer": Transformer,
}


def build(architecture: Architecture) -> nn.Module:
    """Return a new network in train mode."""
    return KINDS[architecture.kind](architecture)


def layer_names(architecture: Architecture) -> list[str]:
    """Return the name of the layer of each width."""
    count = len(architecture.widths)
    if architecture.kind == "transformer":
        blocks = [f"blocks.{n}.{part}" for n in range(count // 2) for part in ("query", "up")]
        return ["embed", *blocks]
    name = "linear" if architecture.kind == "mlp" else "conv"
    return [f"{name}{number}" for number in range(1, count + 1)]


def initialise(network: nn.Module, seed: int) -> nn.Module:
    """Draw initial weights (He's, uniform) and return the network.

    Networks of one seed that differ in widths share the weights of the channels that they share,
    so that less of the difference between them is chance. Biases are 0, and norms do nothing.
    """
    for index, (name, parameter) in enumerate(network.named_parameters()):
        if parameter.dim() > 1:
            generator = torch.Generator().manual_seed(1000 * seed + index)
            rows, inside, *size = parameter.shape
            drawn = torch.rand(rows, max(inside, SIDE**2), *size, generator=generator)
            bound = sqrt(6 / parameter[0].numel())
            parameter.data = (2 * drawn[:, :inside] - 1) * bound
        elif name.endswith("bias"):
            parameter.data.zero_()
    return network
