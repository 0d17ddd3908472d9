"""Random small networks: cutting channels, or gating them to 0, is zeroing them behind their norm.

The yardstick knows nothing of labels or programs: hooks on the modules multiply what leaves a
layer's norm by its channels' gates.

See docs/method.md, "Facts that are tested", 6.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn

from narrows.channels.structures import Channels
from narrows.gates.gated_network import gate
from narrows.surgery import resize, verify
from tests.support.exporting import randomized, read_back
from tests.support.random_examples import random_examples
from tests.support.random_networks import BLOCKS, IMAGE, Net
from tests.support.surgery import analysed, cut_some


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


@random_examples(8)
@given(blocks=BLOCKS, flat=st.booleans(), seed=st.integers(0, 1000))
@example(blocks=[("plain", 3), ("residual", 4), ("concatenation", 2)], flat=False, seed=1)
@example(blocks=[("heads", 3), ("grouped", 2), ("heads", 2)], flat=False, seed=3)
@example(blocks=[("depthwise", 3), ("grouped", 2), ("excitation", 3)], flat=True, seed=2)
def test_cutting_is_gating_to_zero(blocks: list[tuple[str, int]], flat: bool, seed: int) -> None:
    """Every block is in one example; the others compose them at random."""
    module = randomized(Net(blocks, flat=flat), seed)
    network, channels = analysed(read_back(module, IMAGE))
    copies = cut_some(channels, seed)
    (cut,) = resize(network, channels, copies)(IMAGE)
    wide = copies * np.random.default_rng(seed).integers(1, 4, len(copies))
    (copied,) = resize(network, channels, wide)(IMAGE)
    verify(network, channels, wide, resize(network, channels, wide, init="fresh"), init="fresh")
    m = torch.from_numpy((copies > 0).astype(float))[None]
    gated = gate(network, channels, "channel").at(m, IMAGE)
    gate_channels(module, channels, copies)
    expected = module(IMAGE)
    torch.testing.assert_close(cut, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(copied, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gated, expected, rtol=1e-10, atol=1e-10)
