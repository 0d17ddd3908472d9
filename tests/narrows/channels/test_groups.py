"""Channel groups: what goes together, what can't go, and why."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.channels.groups import find_channels
from narrows.channels.rules import RULES, UNFOLLOWED
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.graph.operators import OPERATORS
from narrows.graph.shapes import trace_shapes
from tests.support.architectures import (
    ARCHITECTURES,
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
    ShuffleNet,
    SignalNet,
    Tagger,
    Transformer,
    UpsamplingNet,
    VisionTransformer,
)
from tests.support.exporting import exported, randomized, read_back

IMAGE = torch.randn(2, 3, 8, 8).double()


def channels_of(module: nn.Module, *inputs: Tensor, exclude: tuple[str, ...] = ()) -> Channels:
    network = read_back(randomized(module), *(inputs or [IMAGE]))
    return find_channels(network, trace_shapes(network), exclude)


def groups_of(channels: Channels) -> set[frozenset[str]]:
    """Return the sets of layers whose channels go together."""
    return {frozenset(name for name, _ in members) for members in channels.members()}


class Residual(nn.Module):
    """A stem, two blocks with an identity and a projection shortcut, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.inner1, self.outer1 = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 4, 3, padding=1)
        self.inner2, self.outer2 = nn.Conv2d(4, 5, 3, padding=1), nn.Conv2d(5, 8, 3, padding=1)
        self.project = nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(x + self.outer1(F.relu(self.inner1(x))))
        x = F.relu(self.project(x) + self.outer2(F.relu(self.inner2(x))))
        return self.head(x.mean((2, 3)))


class Dense(nn.Module):
    """Concatenation: later layers read the channels of several earlier ones."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)
        self.norm, self.third = nn.BatchNorm2d(9), nn.Conv2d(9, 2, 1)
        self.head = nn.Linear(2 * 64, 3)

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        joined = torch.cat([a, self.second(F.relu(a))], 1)
        return self.head(torch.flatten(self.third(F.relu(self.norm(joined))), 1))


def test_a_residual_stream_is_one_group() -> None:
    assert groups_of(channels_of(Residual())) == {
        frozenset({"stem", "outer1"}),
        frozenset({"inner1"}),
        frozenset({"inner2"}),
        frozenset({"outer2", "project"}),
    }


def test_depthwise_and_gating_layers_join_their_channels_group() -> None:
    channels = channels_of_example(MobileNet)
    # The depthwise layer makes two channels of each of the stem's four.
    assert frozenset({"stem.0", "depthwise", "attention.excite", "pointwise"}) in groups_of(
        channels
    )
    assert frozenset({"attention.squeeze"}) in groups_of(channels)
    assert np.count_nonzero(channels.groups == channels.groups[0]) == 4


def test_concatenated_channels_stay_apart() -> None:
    channels = channels_of(Dense())
    assert groups_of(channels) == {
        frozenset({"first"}),
        frozenset({"second"}),
        frozenset({"third"}),
    }
    assert len(channels) == 4 + 5 + 2
    (labels,) = channels.tensors["norm.weight"]
    assert labels is not None
    np.testing.assert_array_equal(channels.structure_of[labels], np.arange(9))
    _, flattened = channels.tensors["head.weight"]
    assert flattened is not None
    np.testing.assert_array_equal(
        channels.structure_of[flattened], np.repeat([9, 10], 64), "a channel spans its positions"
    )


def test_the_head_is_pinned_by_the_outputs() -> None:
    (head,) = [layer for layer in channels_of_example(PlainNet).layers if layer.name == "head"]
    assert (head.group, head.reason) == (None, "they are the network's outputs")


def test_an_excluded_layer_takes_its_group_with_it() -> None:
    channels = channels_of(Residual(), exclude=("stem",))
    reasons = {layer.name: layer.reason for layer in channels.layers}
    assert reasons["stem"] == reasons["outer1"] == "they are excluded by the request"
    assert reasons["inner1"] is None


def test_what_is_not_followed_is_pinned_with_its_reason() -> None:
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.free, self.head = nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.free(torch.einsum("bc,bd->bd", self.stem(x), self.stem(x))))

    reasons = {a.name: a.reason for a in channels_of(Mixing(), torch.randn(4, 3).double()).layers}
    assert reasons["stem"] is not None
    assert reasons["stem"].startswith("the operator einsum is not followed as it is used")
    assert reasons["free"] is None


def members_of(channels: Channels, structure: int) -> dict[str, list[int]]:
    """Return the channels of each layer that one structure consists of."""
    result: dict[str, list[int]] = {}
    for name, channel in channels.members()[structure]:
        result.setdefault(name, []).append(channel)
    return result


def first_of(channels: Channels, layer: str) -> dict[str, list[int]]:
    """Return what goes together with the first channel of a layer."""
    (found,) = [one for one in channels.layers if one.name == layer]
    return members_of(channels, int(found.structures[0]))


def channels_of_example(architecture: type[nn.Module]) -> Channels:
    network = exported(architecture).network
    return find_channels(network, trace_shapes(network))


EXPECTED: list[tuple[type[nn.Module], str, dict[str, list[int]]]] = [
    (
        PreActivationNet,
        "blocks.1.project",
        {"blocks.1.project": [0], "blocks.1.conv2": [0]},
    ),
    (DenseNet, "layers.0.2", {"layers.0.2": [0]}),
    (
        InvertedResidualNet,
        "expand.0",
        {"expand.0": [0], "depthwise": [0], "attention.excite": [0]},
    ),
    (
        ShuffleNet,
        "unit.branch.0",
        {"stem": [0, 2], "unit.branch.0": [0, 2], "unit.branch.3": [0, 2]},
    ),
    (ShuffleNet, "grouped.0", {"grouped.0": [0, 6]}),
    (GroupedNet, "inside.2", {"inside.2": [0, 4, 8]}),
    (GroupedNet, "grouped.0", {"grouped.0": [0, 4, 8]}),
    (GroupedNet, "stem", {"stem": [0], "outside.1": [0]}),
    (AutoEncoder, "widen.0", {"encode.0": [0, 4], "widen.0": [0, 4]}),
    (AutoEncoder, "grouped", {"grouped": [0, 6], "depthwise": [0, 1, 12, 13]}),
    (SignalNet, "encode", {"encode": [0, 2, 4, 6]}),
    (UpsamplingNet, "body.1", {"body.1": [0, 1, 2, 3]}),
    (BranchingNet, "stem", {"stem": [0]}),
    (
        VisionTransformer,
        "patches",
        {"patches": [0], "attention.out": [0], "mlp.2": [0]},
    ),
    (
        VisionTransformer,
        "attention.qkv",
        {"attention.qkv": [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19]},
    ),
    (
        Transformer,
        "separate.q",
        {f"separate.{name}": [0, 1, 2, 3] for name in ("q", "k", "v")},
    ),
    (
        LanguageModel,
        "attention.q",
        {"attention.q": [0, 1, 2, 3], "attention.kv": [0, 1, 4, 5]},
    ),
    (
        LanguageModel,
        "tokens",
        {"tokens": [0], "attention.out": [0], "down": [0]},
    ),
    (LanguageModel, "gate", {"gate": [0], "up": [0]}),
    (
        EncoderNet,
        "attention.in_proj_weight",
        {"attention.in_proj_weight": [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19]},
    ),
    (Tagger, "hidden", {"hidden": [0]}),
]


@pytest.mark.parametrize(
    ("architecture", "layer", "expected"),
    EXPECTED,
    ids=[f"{architecture.__name__}-{layer}" for architecture, layer, _ in EXPECTED],
)
def test_what_goes_together(
    architecture: type[nn.Module], layer: str, expected: dict[str, list[int]]
) -> None:
    assert first_of(channels_of_example(architecture), layer) == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_layer_is_in_a_group_or_says_why_not(architecture: type[nn.Module]) -> None:
    for layer in channels_of_example(architecture).layers:
        assert (layer.group is None) == bool(layer.reason)


def test_what_a_recurrent_layer_reads_is_followed() -> None:
    channels = channels_of_example(Tagger)
    _, columns = channels.tensors["lstm.weight_ih_l0_reverse"]
    assert first_of(channels, "mix") == {"mix": [0]}
    assert columns is not None
    assert channels.structure_of[columns].tolist() == channels.layers[1].structures.tolist()
    assert "lstm.weight_hh_l0" not in str(channels)


def test_states_that_recurrent_layers_begin_with_are_pinned() -> None:
    class Begun(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.state, self.cell, self.head = nn.Linear(3, 4), nn.GRUCell(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cell(x, self.state(x)))

    reasons = {a.name: a.reason for a in channels_of(Begun(), torch.randn(4, 3).double()).layers}
    assert reasons["state"] == "recurrent layers are not followed in cell"


def test_the_output_projection_reads_whole_heads() -> None:
    channels = channels_of_example(VisionTransformer)
    _, columns = channels.tensors["attention.out.weight"]
    assert columns is not None
    heads = channels.structure_of[columns]
    np.testing.assert_array_equal(heads, np.repeat([heads[0], heads[4]], 4))


def test_a_table_shared_with_the_head_rides_along() -> None:
    channels = channels_of_example(Transformer)
    (head,) = [layer for layer in channels.layers if layer.name == "tokens"]
    assert (head.op, head.reason) == ("linear", "they are looked up by their index")
    columns = channels.tensors["tokens.weight"][1]
    assert columns is not None
    assert (channels.structure_of[columns] != NO_STRUCTURE).all()


def test_weights_of_two_uses_are_pinned() -> None:
    class Mirror(nn.Module):
        """An autoencoder whose decoder is its encoder, transposed."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.encode, self.head = nn.Linear(3, 4), nn.Linear(4, 6), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            code = torch.tanh(self.encode(torch.tanh(self.stem(x))))
            return self.head(torch.tanh(code @ self.encode.weight))

    channels = channels_of(Mirror(), torch.randn(3, 3).double())
    reasons = {layer.name: layer.reason for layer in channels.layers}
    assert reasons["encode"] == "their weights are also used in another way"
    assert reasons["stem"] == "their weights are also used in another way"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_labels_fit_the_shapes(architecture: type[nn.Module]) -> None:
    network = exported(architecture).network
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    assert channels.values.keys() == shapes.values.keys()
    for name, dims in channels.values.items():
        for labels, size in zip(dims, shapes.of(name), strict=True):
            assert labels is None or labels.shape == (size,)


def test_every_operator_has_a_rule_or_a_reason() -> None:
    assert RULES.keys().isdisjoint(UNFOLLOWED)
    assert RULES.keys() | UNFOLLOWED.keys() == set(OPERATORS)
    assert all(UNFOLLOWED.values())


def test_tied_weights_are_one_layer() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.shared = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            for _ in range(3):
                x = F.relu(self.shared(x))
            return self.head(x.mean((2, 3)))

    channels = channels_of(Tied())
    shared = next(layer for layer in channels.layers if layer.name == "shared")
    assert len(shared.nodes) == 3
    assert groups_of(channels) == {frozenset({"stem", "shared"})}


class TwoHeads(nn.Module):
    """Two outputs, of which the first alone makes the loss; one head has a single channel."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(6, 5)
        self.first, self.hidden, self.second = nn.Linear(5, 1), nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.tanh(self.trunk(x))
        return self.first(x), self.second(torch.tanh(self.hidden(x)))


def test_what_the_loss_does_not_depend_on_is_pinned() -> None:
    channels = channels_of(TwoHeads(), torch.randn(2, 6).double())
    reasons = {layer.name: layer.reason for layer in channels.layers}
    assert reasons["trunk"] is None
    assert reasons["hidden"] == "the loss, of the first output, does not depend on them"


def test_a_layer_is_followed_if_one_of_its_calls_makes_the_loss() -> None:
    class Repeated(nn.Module):
        """Flow networks give the result of each iteration; the loss is that of the first."""

        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.head = nn.Linear(6, 5), nn.Linear(5, 6)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            first = self.head(torch.tanh(self.hidden(x)))
            return first, self.head(torch.tanh(self.hidden(first)))

    channels = channels_of(Repeated(), torch.randn(2, 6).double())
    hidden = next(layer for layer in channels.layers if layer.name == "hidden")
    assert hidden.reason is None
    assert len(hidden.own) == 5


def test_a_layer_of_one_channel_is_listed() -> None:
    channels = channels_of(TwoHeads(), torch.randn(2, 6).double())
    (first,) = [layer for layer in channels.layers if layer.name == "first"]
    assert (first.width, first.reason) == (1, "it is the only one")
