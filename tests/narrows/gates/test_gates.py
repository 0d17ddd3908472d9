"""Where gates stand, and that at any m they do what scaling or removing a channel does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from narrows.batch import Batch
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.example import gated_neurons
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.losses import LOSSES
from narrows.methods.sosp_h import measure
from narrows.surgery import resize
from narrows.surgery.channel_counts import ChannelCounts
from narrows.surgery.function_preserving import uneven_norms
from tests.support.architectures import (
    AutoEncoder,
    BranchingNet,
    DenseNet,
    GroupedNet,
    InvertedResidualNet,
    LanguageModel,
    MobileNet,
    PlainNet,
    PreActivationNet,
    ResidualNet,
    ShuffleNet,
    SignalNet,
    Transformer,
    UpsamplingNet,
    VisionTransformer,
    VolumeNet,
)
from tests.support.exporting import exported, read_back
from tests.support.surgery import analysed, cut_some

ARCHITECTURES = [
    PlainNet, ResidualNet, PreActivationNet, DenseNet, MobileNet, InvertedResidualNet, BranchingNet,
    ShuffleNet, GroupedNet, SignalNet, VolumeNet, UpsamplingNet, AutoEncoder, Transformer,
    VisionTransformer, LanguageModel,
]  # fmt: skip


def opened(architecture: type[nn.Module]) -> tuple[tuple[Tensor, ...], Network, Channels]:
    _, inputs, network = exported(architecture)
    return inputs, *analysed(network)


@pytest.mark.parametrize("kind", ["weights", "channel"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_at_one_gates_change_nothing(architecture: type[nn.Module], kind: Any) -> None:
    inputs, network, channels = opened(architecture)
    gated = gate(network, channels, kind)
    m = torch.ones(1, len(channels)).double()
    torch.testing.assert_close(gated.at(m, *inputs), network(*inputs)[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weight_gates_scale_the_rows_that_go_into_a_channel(architecture: type[nn.Module]) -> None:
    inputs, network, channels = opened(architecture)
    m = torch.rand(1, len(channels)).double() * 2
    scaled = dict(network.tensors)
    for layer in channels.layers:
        assert layer.weight
        tensor = network.tensors[layer.weight]
        rows = np.tile(layer.structures, 1)
        size = tensor.shape[layer.channel_dim]
        step = layer.width // size if layer.channel_dim == 0 else 1
        factors = torch.cat([m[0], m.new_ones(1)])
        shape = [-1 if dim == layer.channel_dim else 1 for dim in range(tensor.dim())]
        scaled[layer.weight] = tensor * factors[rows[::step][:size]].view(shape)
        if layer.bias:
            scaled[layer.bias] = network.tensors[layer.bias] * factors[layer.structures]
    expected = network.__class__(**{**vars_of(network), "tensors": scaled})(*inputs)[0]
    torch.testing.assert_close(
        gate(network, channels).at(m, *inputs), expected, rtol=1e-9, atol=1e-9
    )


def vars_of(network: Network) -> dict[str, Any]:
    return {name: getattr(network, name) for name in network.__dataclass_fields__}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_channel_gates_at_zero_remove_the_channel(architecture: type[nn.Module]) -> None:
    inputs, network, channels = opened(architecture)
    for seed in range(3):
        copies = cut_some(channels, seed)
        if list(
            uneven_norms(
                network, ChannelCounts(channels, trace_shapes(network), copies), alike=True
            )
        ):
            continue  # statistics over channels change when one goes
        m = torch.from_numpy((copies > 0).astype(float))[None]
        torch.testing.assert_close(
            gate(network, channels, "channel").at(m, *inputs),
            resize(network, channels, copies)(*inputs)[0],
            rtol=1e-9,
            atol=1e-9,
        )


@pytest.mark.parametrize("kind", ["weights", "channel"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dual_numbers_differentiate_what_the_gates_do(
    architecture: type[nn.Module], kind: Any
) -> None:
    """`along_all` and `at` are two programs: the first's derivatives are the second's."""
    inputs, network, channels = opened(architecture)
    gated, loss = gate(network, channels, kind), LOSSES["mse"]
    targets = torch.rand_like(network(*inputs)[0])
    m = torch.ones(1, len(channels)).double().requires_grad_()
    (g,) = torch.autograd.grad(loss(gated.at(m, *inputs), targets), m, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), m)
    partial_sums = measure(gated, Batch(inputs, targets), loss)
    for name, expected in (("first", g), ("second", h)):
        theirs = expected.detach()[0].numpy()
        np.testing.assert_allclose(
            partial_sums.sums[name][0], theirs, rtol=0, atol=1e-9 * np.abs(theirs).max()
        )


def test_a_gate_behind_batch_norm_is_the_channel_gate() -> None:
    """Gate 0 is removal, and derivatives are those of scaling the norm."""
    module, inputs, network = exported(PlainNet)
    _, channels = analysed(network)
    gated, loss = gate(network, channels, "channel"), LOSSES["cross_entropy"]
    targets = torch.randint(5, (len(inputs[0]),))
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    layers = [a for a in channels.layers if (a.structures != NO_STRUCTURE).all()]
    scales = [torch.ones(norm.num_features).double().requires_grad_() for norm in norms]
    for norm, scale in zip(norms, scales, strict=True):
        norm.register_forward_hook(lambda _m, _i, y, s=scale: y * s.view(1, -1, 1, 1))
    partial_sums = measure(gated, Batch(inputs, targets), loss)
    of_norms = torch.autograd.grad(loss(module(inputs[0]), targets), scales)
    for layer, theirs in zip(layers, of_norms, strict=False):
        np.testing.assert_allclose(
            partial_sums.sums["first"][0][layer.structures], theirs, atol=1e-10
        )


class ClampedNet(nn.Module):
    """Two convolutions whose batch norm and clamp are folded into their gates, and a linear one."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Hardtanh(-0.3, 0.4)),
            *(nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4), nn.ReLU6()),
            *(nn.Flatten(), nn.Linear(36, 6), nn.Hardtanh(), nn.Linear(6, 2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


def test_clamps_are_folded_into_gates() -> None:
    torch.manual_seed(0)
    module = ClampedNet().double()
    x, y = torch.randn(6, 3, 7, 7).double(), torch.randn(6, 2).double()
    module(x)  # so that statistics are not 0 and 1
    network, channels = analysed(read_back(module.eval(), x))
    gated = gate(network, channels)
    assert [gate.bounds for gate in gated.gates.values()] == [(-0.3, 0.4), (0.0, 6.0), (-1.0, 1.0)]
    assert not {"batch_norm", "hardtanh", "relu6"} & {node.op for node in gated.network.nodes}
    m = torch.ones(1, len(channels)).double().requires_grad_()
    loss = LOSSES["mse"]
    (g,) = torch.autograd.grad(loss(gated.at(m, x), y), m, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), m)
    sums = measure(gated, Batch((x,), y), loss).sums
    np.testing.assert_allclose(sums["first"], g.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sums["second"], h, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["weights", "channel"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_at_one_has_the_derivatives_of_at(architecture: type[nn.Module], kind: Any) -> None:
    inputs, network, channels = opened(architecture)
    gated = gate(network, channels, kind)
    m = torch.ones(len(inputs[0]), len(channels)).double().requires_grad_()
    expected = gated.at(m, *inputs)
    output, leaves = gated.at_one(*inputs)
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10)
    along = torch.randn_like(expected)
    ours = gated.by_structure(torch.autograd.grad(output, leaves, along, materialize_grads=True))
    torch.testing.assert_close(ours, *torch.autograd.grad(expected, m, along), rtol=1e-9, atol=1e-9)


def test_channels_of_no_structure_are_left_out_of_sums_by_structure() -> None:
    gated = gated_neurons()
    ((index, of_neurons),) = gated.gates.items()
    partly = replace(of_neurons, structures=torch.tensor([0, NO_STRUCTURE]))
    sums = replace(gated, gates={index: partly}).by_structure([torch.tensor([[3.0, 5.0]])])
    assert sums.tolist() == [[3.0, 0.0]]
