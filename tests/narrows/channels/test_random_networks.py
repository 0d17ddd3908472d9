"""The groups that the rules find are those found by perturbation, on random architectures."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn

from narrows.channels.groups import find_channels
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from tests.support.architectures import (
    AutoEncoder,
    DenseNet,
    EncoderNet,
    FusedAttention,
    GroupedNet,
    GroupedQueryAttention,
    InvertedResidualNet,
    LanguageModel,
    SeparateAttention,
    ShuffleNet,
    ShuffleUnit,
    SqueezeExcitation,
    VisionTransformer,
)
from tests.support.exporting import exported, randomized, read_back
from tests.support.idioms.groups import Scales, as_efficientvit
from tests.support.perturbation import Channel, Perturbation
from tests.support.random_examples import random_examples

WIDTH = 8


def verify(network: Network, *inputs: Tensor) -> None:
    channels = find_channels(network, trace_shapes(network, [tuple(x.shape) for x in inputs]))
    truth = Perturbation(network, channels, *inputs)
    reached = {name for masks in truth.reached.values() for name in masks}
    for structure, members in enumerate(channels.members()):
        cuts = truth.slices(members)
        assert cuts is not None, f"structure {structure} of {members} can't be cut"
        for name, dims in channels.values.items():
            marked = [
                (dim, channels.structure_of[labels] == structure)
                for dim, labels in enumerate(dims)
                if labels is not None and (channels.structure_of[labels] == structure).any()
            ]
            if name in cuts:
                ((dim, indices),) = marked
                assert dim == cuts[name][0], name
                np.testing.assert_array_equal(indices, cuts[name][1], name)
            elif name in reached:
                assert not marked, name
        for part in parts(members):
            assert truth.slices(part) is None, f"{part} of {members} can be cut alone"


def parts(members: Sequence[Channel]) -> Iterator[list[Channel]]:
    """Yield every single channel, all but one, each layer's, and some at random."""
    rng = np.random.default_rng(0)
    layers = {name for name, _ in members}
    chosen = [[member] for member in members]
    chosen += [[other for other in members if other != member] for member in members]
    chosen += [[member for member in members if member[0] == name] for name in layers]
    chosen += [[m for m in members if rng.random() < 0.5] for _ in range(20)]
    yield from (part for part in chosen if 0 < len(part) < len(members))


@pytest.mark.parametrize("decomposed", [False, True], ids=["exported", "decomposed"])
@pytest.mark.parametrize(
    "architecture",
    [
        DenseNet,
        InvertedResidualNet,
        ShuffleNet,
        GroupedNet,
        AutoEncoder,
        VisionTransformer,
        LanguageModel,
        EncoderNet,
    ],
)
def test_groups_are_those_of_perturbation(architecture: type[nn.Module], decomposed: bool) -> None:
    _, inputs, network = exported(architecture, decomposed=decomposed)
    verify(network, *inputs)


class Add(nn.Module):
    """A branch beside a shortcut."""

    def __init__(self, *branch: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class Join(Add):
    """A branch concatenated with its input; a convolution brings the width back."""

    def __init__(self, *branch: nn.Module) -> None:
        super().__init__(*branch)
        self.merge = nn.Conv2d(WIDTH + 3, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat([self.branch(x), x], 1))


class Halves(nn.Module):
    """Uneven parts of the channels, each with its own layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(5, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = torch.split(x, [3, 5], 1)
        return torch.cat([F.silu(self.second(b)), self.first(a)], 1)


class Gated(nn.Module):
    """A gated linear unit over channels, or in an MLP."""

    def __init__(self, *layers: nn.Module, dim: int) -> None:
        super().__init__()
        self.layers, self.dim = nn.ModuleList(layers), dim

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](F.glu(self.layers[0](x), self.dim))


class PixelShuffled(nn.Module):
    """Channels moved into space and back."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Conv2d(WIDTH, 12, 1), nn.Conv2d(12, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.pixel_unshuffle(torch.tanh(F.pixel_shuffle(self.up(x), 2)), 2))


IMAGE_BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH)),
    "residual": lambda: Add(nn.Conv2d(WIDTH, 5, 1), nn.GELU(), nn.Conv2d(5, WIDTH, 1)),
    "dense": lambda: Join(nn.Conv2d(WIDTH, 3, 1)),
    "halves": Halves,
    "depthwise": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH),
    "grouped": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=2),
    "heads": lambda: Add(Scales(WIDTH, as_efficientvit, 2)),
    "transposed": lambda: nn.ConvTranspose2d(WIDTH, WIDTH, 3, padding=1, groups=2),
    "attention": lambda: SqueezeExcitation(WIDTH),
    "shuffle": lambda: ShuffleUnit(WIDTH),
    "channel_shuffle": lambda: nn.ChannelShuffle(4),
    "gated": lambda: Gated(nn.Conv2d(WIDTH, 6, 1), nn.Conv2d(3, WIDTH, 1), dim=1),
    "pixels": PixelShuffled,
    "prelu": lambda: nn.PReLU(WIDTH),
    "norm": lambda: nn.GroupNorm(WIDTH, WIDTH),
}
TOKEN_BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: Add(nn.Linear(WIDTH, 6), nn.GELU(), nn.Linear(6, WIDTH)),
    "gated": lambda: Add(Gated(nn.Linear(WIDTH, 6), nn.Linear(3, WIDTH), dim=-1)),
    "separate": lambda: Add(SeparateAttention(WIDTH, 2)),
    "fused": lambda: Add(nn.LayerNorm(WIDTH), FusedAttention(WIDTH, 4)),
    "grouped_query": lambda: Add(GroupedQueryAttention(WIDTH, 4, 3)),
    "plain": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()),
    "norm": lambda: nn.LayerNorm(WIDTH),
}


class Composed(nn.Module):
    """Blocks between a layer that makes the channels and one that reads them."""

    def __init__(self, first: nn.Module, blocks: list[nn.Module], last: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(first, *blocks, last)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@random_examples(5, derandomize=True)
@given(st.lists(st.sampled_from(sorted(IMAGE_BLOCKS)), min_size=1, max_size=4), st.booleans())
@example(names=["plain", "residual", "dense", "halves"], decomposed=False)
@example(names=["depthwise", "grouped", "transposed", "attention"], decomposed=True)
@example(names=["shuffle", "gated", "prelu"], decomposed=False)
@example(names=["heads", "grouped"], decomposed=True)
@example(names=["channel_shuffle", "pixels", "norm"], decomposed=True)
def test_random_convolutional_networks(names: list[str], decomposed: bool) -> None:
    """Every block is in one example; the others compose them at random."""
    blocks = [IMAGE_BLOCKS[name]() for name in names]
    module = randomized(Composed(nn.Conv2d(2, WIDTH, 1), blocks, nn.Conv2d(WIDTH, 2, 1)))
    x = torch.randn(2, 2, 4, 4).double()
    verify(read_back(module, x, decomposed=decomposed), x)


@random_examples(3, derandomize=True)
@given(st.lists(st.sampled_from(sorted(TOKEN_BLOCKS)), min_size=1, max_size=3), st.booleans())
@example(names=["mlp", "gated", "separate"], decomposed=True)
@example(names=["fused", "norm", "grouped_query"], decomposed=False)
@example(names=["plain"], decomposed=True)
def test_random_transformers(names: list[str], decomposed: bool) -> None:
    """Every block is in one example; the others compose them at random."""
    blocks = [TOKEN_BLOCKS[name]() for name in names]
    module = randomized(Composed(nn.Linear(5, WIDTH), blocks, nn.Linear(WIDTH, 2)))
    x = torch.randn(2, 3, 5).double()
    verify(read_back(module, x, decomposed=decomposed), x)
