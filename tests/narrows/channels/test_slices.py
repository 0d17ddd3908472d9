"""Slices of joins: a structure is wholly in a piece, or wholly outside, or it stays.

The truth is found by perturbation, and by surgery: cut at random, copied, and compared.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from narrows import analyze
from narrows.channels.groups import find_channels
from narrows.channels.structures import NO_STRUCTURE
from narrows.graph.from_export import as_network
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref
from narrows.graph.shapes import trace_shapes
from narrows.surgery import Verification
from tests.support.exporting import randomized, read_back
from tests.support.perturbation import Perturbation
from tests.support.random_examples import random_examples
from tests.support.surgery import analysed, cut_some, prove

Map = Callable[[Tensor], Tensor]
IMAGE = torch.randn(2, 3, 4, 4).double()
WIDTH = 6
EXACT = 1e-10


class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, ::2]


class Sliced(nn.Module):
    """Channels of a layer, joined with what other layers make of them; a part goes on."""

    def __init__(self, join: Map, take: Map, first: int = WIDTH) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, first, 3, padding=1)
        self.layers = join if isinstance(join, nn.Module) else None
        self.join, self.take = join, take
        width = take(join(torch.randn(2, first, 4, 4))).shape
        self.last = nn.Conv2d(width[1], 4, 1) if len(width) == 4 else nn.Linear(width[-1], 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.take(self.join(torch.tanh(self.first(x)))))
        return self.head(torch.tanh(x).flatten(2).mean(2) if x.dim() == 4 else torch.tanh(x))


class Joined(nn.Module):
    """Its input, joined with the results of layers in a given order."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def depthwise(times: int) -> nn.Module:
    return nn.Conv2d(WIDTH, times * WIDTH, 3, padding=1, groups=WIDTH)


JOINS: dict[str, Callable[[], Map]] = {
    "ghost": lambda: Joined(nn.Identity(), depthwise(2)),
    "ghost, made channels first": lambda: Joined(depthwise(2), nn.Identity()),
    "thrice": lambda: Joined(depthwise(3), depthwise(2)),
    "with another layer": lambda: Joined(nn.Conv2d(WIDTH, 5, 1), nn.Identity(), depthwise(2)),
    "grouped": lambda: Joined(nn.Conv2d(WIDTH, 9, 1, groups=3), nn.Identity()),
    "groups of one": lambda: Joined(nn.Conv2d(WIDTH, 3, 1, groups=3), nn.Identity()),
    "transposed": lambda: nn.ConvTranspose2d(WIDTH, 12, 1, groups=6),
    "transposed groups": lambda: Joined(nn.ConvTranspose2d(WIDTH, 12, 1, groups=3), nn.Identity()),
    "opposites": lambda: lambda x: torch.cat([x, -x], 1),
    "mirrored": lambda: lambda x: torch.cat([x, x.flip(1)], 1),
    "twice of each": lambda: lambda x: x.repeat_interleave(3, 1),
    "repeated": lambda: lambda x: x.repeat(1, 3, 1, 1),
    "expanded": lambda: lambda x: x[:, :, None].expand(-1, -1, 3, -1, -1).flatten(1, 2),
    "interleaved": lambda: lambda x: torch.stack([x, x.square()], 2).flatten(1, 2),
    "stacked": lambda: lambda x: torch.stack([x, x.square()], 1).flatten(1, 2),
    "rolled": lambda: lambda x: torch.cat([x, x.roll(1, 1)], 1),
    "added upside down": lambda: lambda x: torch.cat([x + x.flip(1), x], 1),
    "space to channels": lambda: lambda x: F.pixel_unshuffle(x, 2),
    "channels to space": lambda: nn.Sequential(nn.Conv2d(WIDTH, 24, 1), nn.PixelShuffle(2)),
    "shuffled": lambda: nn.ChannelShuffle(2),
    "group norm": lambda: nn.Sequential(nn.GroupNorm(3, WIDTH), depthwise(2)),
    "gated": lambda: nn.Sequential(depthwise(2), nn.GLU(1)),
    "padded": lambda: lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)),
    "columns": lambda: lambda x: x.movedim(1, -1).flatten(1)[..., None, None].expand(-1, -1, 4, 4),
}

INDEX = torch.tensor([0, 2, 3, 3, 1])
TAKES: dict[str, Map] = {
    "all but three": lambda x: x[:, :-3],
    "all but one": lambda x: x[:, 1:],
    "the middle": lambda x: x[:, 2:5],
    "narrow": lambda x: x.narrow(1, 1, 3),
    "narrow from the end": lambda x: x.narrow(1, -4, 3),
    "every other": lambda x: x[:, ::2],
    "every other from the third": lambda x: x[:, 2:-1:2],
    "every other to the end": lambda x: x[:, 1::2],
    "evens and odds": lambda x: torch.stack([x[:, ::2], x[:, 1::2].square()], 2).flatten(1, 2),
    "one of each three": lambda x: x[:, 2::3] - x[:, ::3],
    "every other, from its place before the end": lambda x: x[:, -5::2] - x[:, -6:-1:2],
    "chunks": lambda x: torch.cat(x.chunk(4, 1)[::-1], 1),
    "split": lambda x: torch.cat(torch.split(x, 4, 1)[::-1], 1),
    "uneven": lambda x: torch.cat(torch.split(x, [1, x.shape[1] - 3, 2], 1)[1:], 1),
    "a part of a part": lambda x: x[:, 1:][:, :-2],
    "two parts": lambda x: torch.cat([x[:, :2], x[:, 3:]], 1),
    "overlapping": lambda x: torch.cat([x[:, :4], x[:, 2:]], 1),
    "sum of parts": lambda x: x[:, :-1] + x[:, 1:],
    "picked": lambda x: x.index_select(1, INDEX),
    "picked by a list": lambda x: x[:, [0, 2, 1]],
    "one": lambda x: x.select(1, 2)[:, None],
    "the first": lambda x: x[:, :1],
    "unbound": lambda x: torch.stack(x.unbind(1)[1:-1], 1),
    "flat": lambda x: x.flatten(1)[:, :23],
    "flat, from within a channel": lambda x: x.flatten(1)[:, 7:-5],
    "flat, strided": lambda x: x.flatten(1)[:, ::2],
    "flat halves": lambda x: x.flatten(1).chunk(2, 1)[1],
    "rows": lambda x: torch.unflatten(x, 1, (2, -1))[:, :, 1:].flatten(1, 2),
    "columns": lambda x: torch.unflatten(x, 1, (-1, 3))[:, :, :2].flatten(1, 2),
    "last": lambda x: x.movedim(1, -1)[..., :-1].movedim(-1, 1),
    "all": lambda x: x,
    "nothing before": lambda x: torch.cat([x[:, :0], x[:, 1:]], 1),
    "nothing between": lambda x: torch.cat([x[:, :4], -x.narrow(1, 5, 0).clone(), x[:, 3:]], 1),
    "nothing behind": lambda x: torch.cat(torch.split(x, [4, x.shape[1] - 4, 0], 1), 1),
    "nothing of two": lambda x: torch.cat([x[:, 6:6].flip(1) * x[:, :0], x], 1),
    "nothing of the rows": lambda x: torch.cat([x[:, :, :0].unsqueeze(0).flatten(0, 1), x], 2),
    "nothing of each group": lambda x: torch.cat(
        torch.split(torch.unflatten(x, 1, (-1, 3)), [3, 0], 2), 2
    ).flatten(1, 2),
    "no groups": lambda x: torch.cat(
        torch.split(torch.unflatten(x, 1, (-1, 3)), [x.shape[1] // 3, 0], 1), 1
    ).flatten(1, 2),
    "nothing at all": lambda x: torch.cat([x.new_zeros(0), x.mT], -1).mT,
}  # fmt: skip


def network_of(join: str, take: str, first: int = WIDTH) -> Network:
    return read_back(randomized(Sliced(JOINS[join](), TAKES[take], first)), IMAGE)


def assert_right(network: Network) -> None:
    network, channels = analysed(network)
    truth = Perturbation(network, channels, IMAGE)
    for structure, members in enumerate(channels.members()):
        if np.count_nonzero(channels.groups == channels.groups[structure]) == 1:
            continue  # it is never cut: a piece may have no other
        cuts = truth.slices(members)
        assert cuts is not None, f"structure {structure} of {members} can't be cut"
        for name, dims in channels.values.items():
            marked = [channels.structure_of[a] == structure for a in dims if a is not None]
            marked = [indices for indices in marked if indices.any()]
            if name in cuts:
                np.testing.assert_array_equal(marked, [cuts[name][1]], name)
    for layer in channels.layers:
        assert (layer.reason is None) == bool((layer.structures != NO_STRUCTURE).any())
    rng = np.random.default_rng(0)
    for seed in range(3):
        assert_exact(prove(network, channels, cut_some(channels, seed)))
    doubled = np.full(len(channels), 2)
    for copies in (doubled, rng.integers(1, 4, len(channels))):
        assert_exact(prove(network, channels, copies))
        if all(node.op != "flip" for node in network.nodes):  # it reverses new and old, too
            assert_exact(prove(network, channels, copies, "fresh"))


def assert_exact(verification: Verification) -> None:
    assert verification.deviation < EXACT or "norm" in verification.reasons[0]


@pytest.mark.parametrize("join", JOINS)
def test_parts_of_joins(join: str) -> None:
    assert_right(network_of(join, "all but three"))


def test_a_step_that_is_computed_pins() -> None:
    module = nn.Sequential(nn.Linear(3, 6), Step(), nn.Linear(3, 2))
    network = as_network(module, (torch.randn(2, 3),))
    size = Node("sym_size.int", {"self": Ref(network.inputs[0].name), "dim": 0}, ("size",), "")
    nodes = [
        replace(node, inputs={**node.inputs, "step": Ref("size")}) if "slice" in node.op else node
        for node in network.nodes
    ]
    computed = replace(network, nodes=(size, *nodes))
    channels = find_channels(computed, trace_shapes(computed, [(2, 3)]))
    assert len(channels) == 0
    assert "slice.Tensor picks some of them" in str(channels.layers[0].reason)


def test_a_step_takes_one_of_each_neighbours() -> None:
    _, channels = analysed(network_of("interleaved", "evens and odds"))
    assert {layer.name: len(layer.own) for layer in channels.layers} == {
        "first": 6, "last": 4, "head": 0,
    }  # fmt: skip


@pytest.mark.parametrize("take", TAKES)
def test_ways_to_take_a_part(take: str) -> None:
    assert_right(network_of("ghost", take))


@st.composite
def parts(draw: st.DrawFn) -> Map:
    """Draw one to three ways to take a part, each of what the one before left."""
    kinds = st.tuples(st.sampled_from("slice narrow split chunk flat index join".split()))
    steps = [
        (*kind, draw(st.floats(0, 1)), draw(st.floats(0, 1)))
        for kind in draw(st.lists(kinds, min_size=1, max_size=3))
    ]

    def take(x: Tensor) -> Tensor:
        for kind, a, b in steps:
            x = part(x, kind, a, b)
        return x

    return take


def part(x: Tensor, kind: str, a: float, b: float) -> Tensor:
    """Take some of the channels, from about `a` on, and about the share `b` of the others."""
    start = round(a * (x.shape[1] - 2))
    length = max(2, round(b * (x.shape[1] - start)))
    if kind == "slice":
        return x[:, start : start + length]
    if kind == "narrow":
        return x.narrow(1, start - x.shape[1], length)
    if kind == "split":
        sizes = [1 + start, length - 1, x.shape[1] - start - length]
        return torch.cat(torch.split(x, sizes, 1)[1::-1], 1)
    if kind == "chunk":
        return torch.cat(x.chunk(2 + round(3 * a), 1)[::-1], 1)
    if kind == "flat":
        return x.flatten(1)[:, start * 3 : -3] if x.dim() == 4 else x[:, start:]
    if kind == "index":
        return x.index_select(1, torch.arange(start, start + length))
    return torch.cat([x[:, start:], x[:, : start + length]], 1)


@random_examples(12, derandomize=True)
@given(st.sampled_from(sorted(JOINS)), parts())
def test_random_parts_of_random_joins(join: str, take: Map) -> None:
    assert_right(read_back(randomized(Sliced(JOINS[join](), take)), IMAGE))


@pytest.mark.parametrize(("kept", "stays"), [(18, []), (16, []), (15, [4]), (14, []), (7, [0])])
def test_what_a_slice_parts_stays(kept: int, stays: list[int]) -> None:
    """The depthwise layer makes channels 6 + 2c and 7 + 2c of channel c."""
    module = Sliced(JOINS["ghost"](), lambda x: x[:, :kept])
    _, channels = analysed(read_back(randomized(module), IMAGE))
    first = channels.layers[0].structures
    assert np.flatnonzero(first == NO_STRUCTURE).tolist() == stays


def test_a_layer_that_a_slice_parts_says_so() -> None:
    module = Sliced(lambda x: x.repeat_interleave(3, 1), lambda x: x[:, 1:5], first=2)
    _, channels = analysed(read_back(randomized(module), IMAGE))
    assert channels.layers[0].reason == "slice.Tensor parts channels that go together"


def test_a_piece_keeps_a_channel() -> None:
    """Each group keeps one of its structures, so a piece of one layer is a group by itself."""
    module = Sliced(lambda x: x, lambda x: torch.cat([x[:, :2].tanh(), x[:, 2:]], 1))
    _, channels = analysed(read_back(randomized(module), IMAGE))
    assert channels.groups[channels.layers[0].structures].tolist() == [0, 0, 1, 1, 1, 1]


def test_a_shared_index_picks_for_ever() -> None:
    module = Sliced(
        lambda x: x, lambda x: x.index_select(1, INDEX) + x.exp().index_select(1, INDEX)
    )
    assert_right(read_back(randomized(module), IMAGE))


class OneKeyValueHead(nn.Module):
    """Attention whose query heads all read one head of keys and values."""

    def __init__(self, grouped: bool) -> None:
        super().__init__()
        self.grouped = grouped
        self.q, self.k, self.v = nn.Linear(5, 12), nn.Linear(5, 4), nn.Linear(5, 4)
        self.o, self.head = nn.Linear(12, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        split = (self.q(x), self.k(x), self.v(x))
        q, k, v = (y.unflatten(-1, (-1, 4)).transpose(1, 2) for y in split)
        if not self.grouped:
            k, v = (y.expand(-1, 3, -1, -1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=self.grouped)
        return self.head(torch.tanh(self.o(y.transpose(1, 2).flatten(2))))


@pytest.mark.parametrize("grouped", [True, False])
def test_query_heads_can_go_without_their_shared_keys(grouped: bool) -> None:
    x = torch.randn(2, 3, 5).double()
    network, channels = analysed(read_back(randomized(OneKeyValueHead(grouped)), x))
    structures = {layer.name: layer.structures.tolist() for layer in channels.layers}
    assert structures["q"] == [0] * 4 + [1] * 4 + [2] * 4
    assert prove(network, channels, np.array([0, 1, 1, *[1] * 6])).deviation < EXACT
    assert prove(network, channels, np.array([2, 1, 3, *[1] * 6])).deviation < EXACT


def test_a_layer_in_several_groups_is_widened_as_a_whole() -> None:
    """A split that keeps a channel in each half makes two groups of one layer."""

    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.left, self.right = nn.Linear(4, 8), nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            a, b = torch.chunk(torch.relu(self.first(x)), 2, 1)
            return self.left(a) + self.right(b)

    torch.manual_seed(0)
    data = [(torch.randn(4, 4), torch.randint(3, (4,))) for _ in range(3)]
    found = analyze(Split(), data, factors={"mine": {"first": 2.0}}, progress=False)
    assert len(set(found.channels.groups.tolist())) == 2
    (layer,) = found.plans["mine"].layers
    assert (layer.width, layer.new_width) == (8, 16)
