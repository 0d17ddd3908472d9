"""Cutting and copying channels: what comes out computes what it must."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.plans.cost import network_cost
from narrows.surgery import SurgeryError, Verification, resize, verify
from tests.support.architectures import ARCHITECTURES, SignalNet, Transformer
from tests.support.exporting import exported, randomized, read_back
from tests.support.surgery import analysed, cut_some, prove

IMAGE = torch.randn(2, 3, 8, 8).double()
EXACT = 1e-10


_networks: dict[type[nn.Module], tuple[Network, Channels]] = {}


def network_of(architecture: type[nn.Module]) -> tuple[Network, Channels]:
    if architecture not in _networks:
        _networks[architecture] = analysed(exported(architecture).network)
    return _networks[architecture]


def assert_exact_but_for_norms(verification: Verification) -> None:
    assert verification.deviation < EXACT or verification.reasons
    assert all("norm" in reason or "unevenly" in reason for reason in verification.reasons)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_cutting_channels_is_zeroing_them(architecture: type[nn.Module], seed: int) -> None:
    network, channels = network_of(architecture)
    assert_exact_but_for_norms(prove(network, channels, cut_some(channels, seed)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_doubling_everything_changes_no_output(architecture: type[nn.Module]) -> None:
    """Not even where norms run over the channels: their statistics stay."""
    network, channels = network_of(architecture)
    verification = prove(network, channels, np.full(len(channels), 2))
    assert verification.deviation < EXACT
    assert verification.reasons == ()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_copies_of_some_channels_change_no_output(architecture: type[nn.Module]) -> None:
    network, channels = network_of(architecture)
    copies = np.random.default_rng(0).integers(1, 4, len(channels))
    assert_exact_but_for_norms(prove(network, channels, copies))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_fresh_channels_leave_the_old_ones_alone(architecture: type[nn.Module]) -> None:
    network, channels = network_of(architecture)
    copies = cut_some(channels, 0) * np.random.default_rng(0).integers(1, 4, len(channels))
    assert_exact_but_for_norms(prove(network, channels, copies, "fresh"))


@pytest.mark.parametrize("times", [0, 1, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_costs_are_those_that_were_planned(architecture: type[nn.Module], times: int) -> None:
    network, channels = network_of(architecture)
    copies = np.maximum(cut_some(channels, times, left=2), min(times, 1)) * max(times, 1)
    after, found = analysed(resize(network, channels, copies))
    counted = network_cost(after, trace_shapes(after), found)
    planned = network_cost(network, trace_shapes(network), channels, copies)
    assert (counted.parameters, counted.macs) == (planned.parameters, planned.macs)


def test_a_norm_over_uneven_copies_says_by_how_much() -> None:
    network, channels = network_of(SignalNet)
    copies = np.ones(len(channels), np.int64)
    copies[0] = 2
    verification = prove(network, channels, copies)
    assert verification.reasons == (
        "group_norm in norm normalizes over channels that are cut or copied unevenly",
    )
    assert 1e-3 < verification.deviation < 2


def test_a_tied_head_takes_its_share_where_it_reads() -> None:
    """The table can't be divided: as an embedding it makes the channels."""
    network, channels = network_of(Transformer)
    widened = resize(network, channels, np.full(len(channels), 2))
    torch.testing.assert_close(
        widened.tensors["tokens.weight"].sum(), 2 * network.tensors["tokens.weight"].sum()
    )
    assert [node.op for node in widened.nodes[-2:]] == ["div.Scalar", "linear"]


def test_a_wrong_network_is_refused() -> None:
    network, channels = network_of(ARCHITECTURES[0])
    copies = np.full(len(channels), 2)
    built = resize(network, channels, copies)
    wrong = {**built.tensors, "head.weight": built.tensors["head.weight"] * 1.001}
    with pytest.raises(SurgeryError, match="from what they must be on random inputs"):
        verify(network, channels, copies, replace(built, tensors=wrong))


def test_a_layer_needs_a_channel() -> None:
    network, channels = network_of(ARCHITECTURES[0])
    with pytest.raises(ValueError, match=r"features\.0 would be left without channels"):
        resize(network, channels, np.zeros(len(channels), np.int64))


def test_there_is_a_count_for_each_structure() -> None:
    network, channels = network_of(ARCHITECTURES[0])
    for copies in (np.ones(1, np.int64), np.full(len(channels), -1)):
        with pytest.raises(SurgeryError, match="6 counts of copies, none negative"):
            resize(network, channels, copies)


# --- fresh channels -------------------------------------------------------------------------------


def widened_afresh() -> tuple[Network, Network]:
    module = nn.Sequential(
        nn.Conv2d(3, 20, 3), nn.BatchNorm2d(20), nn.PReLU(20), nn.Flatten(), nn.Linear(720, 40),
        nn.ReLU(), nn.Linear(40, 5),
    )  # fmt: skip
    network, channels = analysed(read_back(randomized(module), IMAGE))
    return network, resize(network, channels, np.full(len(channels), 3), init="fresh")


@pytest.mark.parametrize(("name", "fan_in"), [("0", 27), ("4", 3 * 720), ("6", 3 * 40)])
def test_new_weights_are_drawn_as_torch_does(name: str, fan_in: int) -> None:
    before, after = widened_afresh()
    weight = after.tensors[f"{name}.weight"]
    old = [slice(None, None, 3) if new != size else slice(None) for size, new in
           zip(before.tensors[f"{name}.weight"].shape, weight.shape, strict=True)]  # fmt: skip
    if name != "4":  # whose columns are copied by channels of 36 positions
        torch.testing.assert_close(weight[tuple(old)], before.tensors[f"{name}.weight"])
    new = weight[1::3] if name != "6" else weight[:, 1::3]
    bound = fan_in**-0.5
    assert new.abs().max() <= bound
    assert new.abs().max() > 0.98 * bound
    assert new.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
    if name != "6":
        bias = after.tensors[f"{name}.bias"][1::3]
        assert 0.7 * bound < bias.abs().max() <= bound


def test_new_entries_of_norms_do_nothing() -> None:
    before, after = widened_afresh()
    for name, value in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
        assert (after.tensors[f"1.{name}"].view(20, 3)[:, 1:] == value).all()
        torch.testing.assert_close(
            after.tensors[f"1.{name}"].view(20, 3)[:, 0], before.tensors[f"1.{name}"]
        )
    assert (after.tensors["2.weight"].view(20, 3)[:, 1:] == 0.25).all()


# --- literals -------------------------------------------------------------------------------------


class Between(nn.Module):
    """A pointwise convolution to 8 channels, some operator, and one that reads its result."""

    def __init__(self, operator: Callable[[Tensor], Tensor], read: int) -> None:
        super().__init__()
        self.operator = operator
        self.stem, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(read, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.operator(self.stem(x)))


PLANE = torch.rand(1, 1, 8, 8).double()
INDEX = torch.tensor([6, 0, 3, 3, 1])
LITERALS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "chunk": (lambda x: torch.cat([F.relu(y) for y in x.chunk(2, 1)], 1), 8),
    "ragged chunk": (lambda x: torch.cat(x.chunk(3, 1)[::-1], 1), 8),
    "split": (lambda x: torch.cat(torch.split(x, 3, 1)[::-1], 1), 8),
    "split with sizes": (lambda x: torch.cat(torch.split(x, [1, 5, 2], 1)[1:], 1), 7),
    "slice": (lambda x: x[:, 2:7], 5),
    "slice from the end": (lambda x: x[:, -5:], 5),
    "narrow": (lambda x: x.narrow(1, 1, 5), 5),
    "view": (lambda x: x.view(x.shape[0], 8, 64).reshape(-1, 8, 8, 8), 8),
    "unflatten": (lambda x: torch.unflatten(x.flatten(2), 2, (8, 8)), 8),
    "heads": (lambda x: x.view(x.shape[0] * 4, 2, 8, 8).relu().view(-1, 8, 8, 8), 8),
    "shuffle": (lambda x: x.view(-1, 2, 4, 8, 8).transpose(1, 2).reshape(-1, 8, 8, 8), 8),
    "pad": (lambda x: F.pad(x, (1, 1, 0, 0, 2, 3)), 13),
    "repeat": (lambda x: x.repeat(1, 3, 1, 1), 24),
    "repeat_interleave": (lambda x: x.repeat_interleave(3, 1), 24),
    "expand": (lambda x: x * PLANE.expand(-1, 8, -1, -1), 8),
    "depthwise": (nn.Conv2d(8, 16, 3, padding=1, groups=8), 16),
    "depthwise, transposed": (nn.ConvTranspose2d(8, 16, 1, groups=8), 16),
    "grouped": (nn.Conv2d(8, 12, 1, groups=2), 12),
    "rms norm": (lambda x: F.rms_norm(x.movedim(1, -1), (8,)).movedim(-1, 1), 8),
    "native group norm": (
        lambda x: torch.native_group_norm(x, None, None, x.shape[0], 8, 64, 8, 1e-5)[0],
        8,
    ),
    "group norm of channels": (lambda x: F.group_norm(x, 8), 8),
    "layer norm": (lambda x: F.layer_norm(x.movedim(1, -1), (8,)).movedim(-1, 1), 8),
    "squeeze": (lambda x: x.mean((2, 3), keepdim=True).squeeze()[:, :, None, None], 8),
    "squeeze dims": (lambda x: x.mean((2, 3), True).squeeze((2, 3))[:, :, None, None], 8),
    "pixel shuffle": (lambda x: F.pixel_shuffle(x, 2), 2),
    "pixel unshuffle": (lambda x: F.pixel_unshuffle(x, 2), 32),
    "flip": (lambda x: x.flip(1), 8),
    "index_select": (lambda x: x.index_select(1, INDEX), 5),
    "sum": (lambda x: x * x.sum(1, keepdim=True), 8),
    "product of values": (
        lambda x: (x.flatten(2) @ (x.flatten(2).transpose(1, 2) @ x.flatten(2))).view(x.shape),
        8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LITERALS)
def test_literals_follow(kind: str) -> None:
    module = Between(*LITERALS[kind])
    network, channels = analysed(read_back(randomized(module), IMAGE))
    assert len(channels)
    for seed in range(3):
        cut = cut_some(channels, seed)
        try:
            assert_exact_but_for_norms(prove(network, channels, cut))
        except SurgeryError as error:
            assert "without channels" in str(error)  # noqa: PT017 - of a piece that has few
        assert prove(network, channels, np.full(len(channels), 2)).deviation < EXACT
        copies = np.random.default_rng(seed).integers(1, 4, len(channels))
        assert_exact_but_for_norms(prove(network, channels, copies))


def test_one_channel_left_is_not_squeezed_away() -> None:
    module = Between(*LITERALS["squeeze"])
    network, channels = analysed(read_back(randomized(module), IMAGE))
    copies = (np.arange(len(channels)) == 3).astype(np.int64)
    assert prove(network, channels, copies).deviation < EXACT
