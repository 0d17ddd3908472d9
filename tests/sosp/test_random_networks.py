"""Random small networks: cutting channels is gating them to 0 behind their norm (METHOD §3, 6).

The yardstick knows nothing of labels or programs: hooks on the modules multiply what leaves a
layer's norm by its channels' gates.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from narrows.channels.groups import Channels
from narrows.surgery import check, resize
from tests.exporting import randomized, read_back
from tests.sosp.test_surgery import analysed, cut_some


class Layer(nn.Module):
    """Convolution, batch norm, ReLU; the channels' gates sit on the norm."""

    def __init__(self, inside: int, outside: int, kernel: int = 3, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, padding=kernel // 2, groups=groups)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class Residual(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first, self.second = Layer(width, inner), Layer(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class Concatenation(nn.Module):
    def __init__(self, width: int, more: int) -> None:
        super().__init__()
        self.branch = Layer(width, more)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch(x), x], 1)


class Excitation(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * self.excite(inner).sigmoid()


class Net(nn.Module):
    """Blocks drawn by name, each with a width of its own; flattened or averaged for the head."""

    def __init__(self, blocks: list[tuple[str, int]], *, flat: bool) -> None:
        super().__init__()
        width = 4
        made: list[nn.Module] = [Layer(3, width)]
        for kind, size in blocks:
            if kind == "plain":
                made.append(Layer(width, size))
                width = size
            elif kind == "residual":
                made.append(Residual(width, size))
            elif kind == "concatenation":
                made.append(Concatenation(width, size))
                width += size
            elif kind == "depthwise":
                made.append(Layer(width, width * (1 + size % 2), groups=width))
                width *= 1 + size % 2
            elif kind == "grouped":
                made += [Layer(width, 4, 1), Layer(4, 2 * size, groups=2)]
                width = 2 * size
            else:
                made.append(Excitation(width, size))
        self.body, self.flat = nn.Sequential(*made), flat
        self.hidden = nn.Linear(width * (16 if flat else 1), 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        x = torch.flatten(x, 1) if self.flat else x.mean((2, 3))
        return self.head(F.relu(self.hidden(x)))


KINDS = ["plain", "residual", "concatenation", "depthwise", "grouped", "excitation"]
BLOCKS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(2, 5)), max_size=4)
IMAGE = torch.randn(3, 3, 4, 4).double()


def gate_channels(module: nn.Module, channels: Channels, copies: np.ndarray[Any, Any]) -> None:
    """Multiply the channels that are cut by 0, behind the norm that follows their layer."""
    gates: dict[str, Tensor] = {}
    for structure, members in enumerate(channels.members()):
        for name, channel in members:
            width = next(layer.width for layer in channels.layers if layer.name == name)
            gate = gates.setdefault(name, torch.ones(width).double())
            gate[channel] = float(copies[structure] > 0)
    for name, gate in gates.items():
        place = name.removesuffix("conv") + "norm" if name.endswith("conv") else name
        module.get_submodule(place).register_forward_hook(_multiply(gate))


def _multiply(gate: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return output * gate.view(1, -1, *(1,) * (output.dim() - 2))

    return hook


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(blocks=BLOCKS, flat=st.booleans(), seed=st.integers(0, 1000))
def test_cutting_is_gating_to_zero(blocks: list[tuple[str, int]], flat: bool, seed: int) -> None:
    module = randomized(Net(blocks, flat=flat), seed)
    network, channels = analysed(read_back(module, IMAGE))
    copies = cut_some(channels, seed)
    (cut,) = resize(network, channels, copies)(IMAGE)
    wide = copies * np.random.default_rng(seed).integers(1, 4, len(copies))
    (copied,) = resize(network, channels, wide)(IMAGE)
    check(network, channels, wide, resize(network, channels, wide, init="fresh"), init="fresh")
    gate_channels(module, channels, copies)
    expected = module(IMAGE)
    torch.testing.assert_close(cut, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(copied, expected, rtol=1e-10, atol=1e-10)
