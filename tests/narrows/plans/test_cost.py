"""Parameters and MACs against the modules themselves and torch's own counter."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from narrows.channels.groups import find_channels
from narrows.graph.shapes import trace_shapes
from narrows.plans.cost import network_cost
from tests.support.architectures import MobileNet, PlainNet, ResidualNet, VolumeNet
from tests.support.exporting import exported, randomized, read_back


@pytest.mark.parametrize("architecture", [PlainNet, ResidualNet, MobileNet])
def test_costs_are_those_of_the_module(architecture: type[nn.Module]) -> None:
    module, inputs, network = exported(architecture)
    shapes = trace_shapes(network)
    counted = network_cost(network, shapes, find_channels(network, shapes))
    assert counted.parameters == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        module(inputs[0][:1])
    assert 2 * counted.macs == counter.get_total_flops()


def chain(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(4, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, groups=width),
        nn.Flatten(),
        nn.Linear(width * 16, 5),
    )


@pytest.mark.parametrize("copies", [0, 1, 2, 3])
def test_a_changed_network_costs_what_its_module_would(copies: int) -> None:
    """Half of a layer's channels copied or cut, against the module written that wide."""
    network = read_back(randomized(chain(6)), torch.randn(2, 3, 8, 8).double())
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    times = np.ones(len(channels), np.int64)
    times[np.flatnonzero(channels.groups == 1)[:3]] = copies
    changed = network_cost(network, shapes, channels, times)

    module = chain(3 + 3 * copies)
    assert changed.parameters == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        module(torch.randn(1, 3, 8, 8))
    assert 2 * changed.macs == counter.get_total_flops()


def test_three_dimensions_count_every_position() -> None:
    network = exported(VolumeNet).network
    shapes = trace_shapes(network)
    counted = network_cost(network, shapes, find_channels(network, shapes))
    assert counted.layers["down"] == (4 * 27 + 4, 4 * 27 * 2 * 2 * 2)
