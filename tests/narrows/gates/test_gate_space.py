"""Gate space equals weight space, in eval mode, in any partition.

See docs/method.md, "Facts that are tested", 1, 3 and 5.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from narrows.batch import Batch
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.losses import LOSSES
from narrows.methods.partial_sums import Averages, PartialSums
from narrows.methods.sosp_h import measure
from tests.support.architectures import (
    AutoEncoder,
    BranchingNet,
    DenseNet,
    EncoderNet,
    GroupedNet,
    InvertedResidualNet,
    LanguageModel,
    MobileNet,
    PlainNet,
    PreActivationNet,
    ResidualNet,
    SeparateAttention,
    ShuffleNet,
    SignalNet,
    Tagger,
    Transformer,
    UpsamplingNet,
    VisionTransformer,
    VolumeNet,
    example_inputs,
)
from tests.support.brute_force import Rows, every_row_alone, gradient_and_product, weight_space
from tests.support.exporting import randomized, read_back


class ActivationsNet(nn.Module):
    """Grouped convolutions, biases before batch norm, smooth and clamped activations."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=2),
            nn.BatchNorm2d(8, affine=False),
            nn.ReLU6(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 6, 3, padding="same", dilation=2),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


class SharedNet(nn.Module):
    """One convolution used twice, and read both before and after its batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv(self.stem(x))
        second = self.conv(F.relu(self.norm(first))) * torch.sigmoid(first)
        return self.head(second.amax((2, 3)))


class ComputedNet(nn.Module):
    """Biases and norms whose parameters are computed on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.second, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        norm = self.norm
        x = F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight * 5, norm.bias * 3, False
        )
        x = F.relu(x).mean((2, 3))
        return self.head(torch.tanh(F.linear(x, self.second.weight, self.second.bias * 3)))


class AttentionNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = SeparateAttention(8, 2)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x + self.attention(self.norm(x))
        return self.head((x + self.mlp(self.norm(x))).mean(1))


def inputs_of(module: nn.Module) -> Tensor:
    if isinstance(module, AttentionNet):
        return torch.randn(4, 5, 6).double()
    return example_inputs(module)[0]


def targets_of(outputs: Tensor, loss: str) -> Tensor:
    if loss in ("cross_entropy", "nll"):
        return torch.randint(outputs.shape[1], (len(outputs), *outputs.shape[2:]))
    return torch.rand_like(outputs)


def assert_equal_to_weight_space(
    network: Network, channels: Channels, inputs: Tensor, loss: str = "cross_entropy"
) -> None:
    targets, function = targets_of(network(inputs)[0], loss), LOSSES[loss]
    partial_sums = measure(gate(network, channels), Batch((inputs,), targets), function)
    first, second = weight_space(network, channels, inputs, targets, function)
    for ours, theirs in (
        (partial_sums.sums["first"][0], first),
        (partial_sums.sums["second"][0], second),
    ):
        size = np.abs(theirs).max()
        assert size > 1e-6
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * size)
    assert partial_sums.loss[0] == pytest.approx(
        function(network(inputs)[0], targets).item(), rel=1e-12
    )


@pytest.mark.parametrize("decomposed", [False, True], ids=["exported", "decomposed"])
@pytest.mark.parametrize(
    "architecture",
    [
        PlainNet,
        ResidualNet,
        MobileNet,
        BranchingNet,
        ActivationsNet,
        SharedNet,
        ComputedNet,
        AttentionNet,
        SignalNet,
        VolumeNet,
        UpsamplingNet,
        PreActivationNet,
        DenseNet,
        InvertedResidualNet,
        ShuffleNet,
        GroupedNet,
        AutoEncoder,
        VisionTransformer,
        Transformer,
        LanguageModel,
        EncoderNet,
        Tagger,
    ],
)
def test_gate_space_equals_weight_space(architecture: type[nn.Module], decomposed: bool) -> None:
    module = randomized(architecture())
    network = read_back(module, inputs_of(module), decomposed=decomposed)
    channels = find_channels(network, trace_shapes(network))
    assert_equal_to_weight_space(network, channels, inputs_of(module))


@pytest.mark.parametrize(
    "architecture",
    [
        MobileNet,
        BranchingNet,
        ActivationsNet,
        SharedNet,
        AttentionNet,
        SignalNet,
        VolumeNet,
        UpsamplingNet,
    ],
)
def test_every_row_alone_equals_weight_space(architecture: type[nn.Module]) -> None:
    module = randomized(architecture())
    network = read_back(module, inputs_of(module))
    assert_equal_to_weight_space(network, every_row_alone(network), inputs_of(module))


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "model"])
def test_every_loss_equals_weight_space(loss: str) -> None:
    module = randomized(PlainNet())
    network = read_back(module, inputs_of(module))
    assert_equal_to_weight_space(network, every_row_alone(network), inputs_of(module), loss)


class NormalizedNet(nn.Module):
    """All weights are followed by batch norm, but for the head's, which is fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.norm2 = nn.Conv2d(6, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm1(self.conv1(x)))
        return self.norm2(self.conv2(x)).mean((2, 3))


def test_in_train_mode_the_second_order_would_say_nothing_new() -> None:
    """Batch statistics make the loss blind to the scale of θ, so that Hθ = −g (fact 3)."""
    module = NormalizedNet()
    randomized(module).train()
    for norm in (module.norm1, module.norm2):
        norm.eps = 1e-18  # else the scale shows a little
    loss = LOSSES["cross_entropy"](module(inputs_of(module)), torch.randint(5, (4,)))
    weights = (module.conv1.weight, module.conv2.weight)
    g, h = gradient_and_product(loss, [Rows(weight, np.arange(len(weight))) for weight in weights])
    for ours, theirs in zip(h, g, strict=True):
        assert theirs.abs().max() > 1e-3
        torch.testing.assert_close(ours, -theirs, rtol=0, atol=1e-10)


def test_an_export_in_train_mode_is_analysed_in_eval_mode() -> None:
    module = randomized(NormalizedNet())
    inputs, loss = inputs_of(module), LOSSES["cross_entropy"]
    trained = read_back(module.train(), inputs)
    targets = targets_of(module.eval()(inputs), "cross_entropy")
    channels = every_row_alone(trained)
    partial_sums = measure(gate(trained, channels), Batch((inputs,), targets), loss)
    evaluated = read_back(module, inputs)
    first, second = weight_space(evaluated, channels, inputs, targets, loss)
    np.testing.assert_allclose(partial_sums.sums["first"][0], first, rtol=0, atol=1e-10)
    np.testing.assert_allclose(partial_sums.sums["second"][0], second, rtol=0, atol=1e-10)
    assert np.abs(first).max() > 1e-2  # with batch statistics it would be 0


def batches(count: int) -> PartialSums:
    """Terms of widely different magnitudes, whose sum depends on the order of additions."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, count, 7)) * 10.0 ** rng.integers(
        -12, 12, (2, count, 7)
    )
    samples = rng.integers(1, 64, count)
    factor = rng.standard_normal((2 * samples.sum(), 7)).astype(np.float32)
    return PartialSums(rng.random(count), samples, {"first": first, "second": second}, factor)


@given(st.lists(st.integers(0, 16), max_size=8))
def test_any_partition_into_shards_gives_the_same_bits(cuts: list[int]) -> None:
    whole = batches(16)
    edges = [0, *sorted(set(cuts) - {0, 16}), 16]
    place = np.arange(16)
    stacked = PartialSums.stack(
        whole.chosen((place >= a) & (place < b)) for a, b in pairwise(edges)
    )
    ours, theirs = stacked.averages, whole.averages
    assert ours.loss == theirs.loss
    np.testing.assert_array_equal(ours.factor, theirs.factor)
    for name, mean in theirs.means.items():
        np.testing.assert_array_equal(ours.means[name], mean)


def test_batches_add_up_to_the_whole() -> None:
    module = randomized(MobileNet())
    inputs = torch.randn(12, 3, 8, 8).double()
    targets = torch.randint(5, (12,))
    network = read_back(module, inputs)
    channels = find_channels(network, trace_shapes(network))
    gated, loss = gate(network, channels), LOSSES["cross_entropy"]

    def averages(step: int) -> Averages:
        batches = Batch((inputs,), targets).split(step)
        return PartialSums.stack(measure(gated, batch, loss) for batch in batches).averages

    parts, whole = averages(5), averages(12)
    for name, mean in whole.means.items():
        np.testing.assert_allclose(parts.means[name], mean, rtol=1e-10, atol=1e-14)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-12)
