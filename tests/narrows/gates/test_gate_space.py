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
    ActivationsNet,
    AttentionNet,
    AutoEncoder,
    BranchingNet,
    ComputedNet,
    DenseNet,
    EncoderNet,
    GroupedNet,
    InvertedResidualNet,
    LanguageModel,
    MobileNet,
    PlainNet,
    PreActivationNet,
    ResidualNet,
    SharedNet,
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
from tests.support.exporting import exported, randomized, read_back


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


DECOMPOSED = [
    PlainNet, MobileNet, BranchingNet, ActivationsNet, SharedNet, ComputedNet, SignalNet, VolumeNet,
    UpsamplingNet, DenseNet, InvertedResidualNet, ShuffleNet, GroupedNet, AutoEncoder,
    VisionTransformer, Transformer, LanguageModel, EncoderNet, Tagger,
]  # fmt: skip
AS_EXPORTED = [ResidualNet, PreActivationNet, AttentionNet]
"""Networks whose decomposition has nothing that those of DenseNet and Transformer have not."""


@pytest.mark.parametrize(
    ("architecture", "decomposed"),
    [
        *((architecture, False) for architecture in (*DECOMPOSED, *AS_EXPORTED)),
        *((architecture, True) for architecture in DECOMPOSED),
    ],
)
def test_gate_space_equals_weight_space(architecture: type[nn.Module], decomposed: bool) -> None:
    _, (inputs, *_), network = exported(architecture, decomposed=decomposed)
    channels = find_channels(network, trace_shapes(network))
    assert_equal_to_weight_space(network, channels, inputs)


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
    _, (inputs, *_), network = exported(architecture)
    assert_equal_to_weight_space(network, every_row_alone(network), inputs)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "model"])
def test_every_loss_equals_weight_space(loss: str) -> None:
    _, (inputs, *_), network = exported(PlainNet)
    assert_equal_to_weight_space(network, every_row_alone(network), inputs, loss)


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
    loss = LOSSES["cross_entropy"](module(*example_inputs(module)), torch.randint(5, (4,)))
    weights = (module.conv1.weight, module.conv2.weight)
    g, h = gradient_and_product(loss, [Rows(weight, np.arange(len(weight))) for weight in weights])
    for ours, theirs in zip(h, g, strict=True):
        assert theirs.abs().max() > 1e-3
        torch.testing.assert_close(ours, -theirs, rtol=0, atol=1e-10)


def test_an_export_in_train_mode_is_analysed_in_eval_mode() -> None:
    module = randomized(NormalizedNet())
    (inputs,), loss = example_inputs(module), LOSSES["cross_entropy"]
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
    network = exported(MobileNet).network
    inputs = torch.randn(12, 3, 8, 8).double()
    targets = torch.randint(5, (12,))
    channels = find_channels(network, trace_shapes(network))
    gated, loss = gate(network, channels), LOSSES["cross_entropy"]

    def averages(step: int) -> Averages:
        batches = Batch((inputs,), targets).split(step)
        return PartialSums.stack(measure(gated, batch, loss) for batch in batches).averages

    parts, whole = averages(5), averages(12)
    for name, mean in whole.means.items():
        np.testing.assert_allclose(parts.means[name], mean, rtol=1e-10, atol=1e-14)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-12)
