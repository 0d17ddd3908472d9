"""Channel groups: what goes together, what can't go, and why."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.architectures import MobileNet, PlainNet
from tests.exporting import randomized, read_back
from worker.sosp.channels import Channels, find_channels
from worker.sosp.shapes import trace_shapes

IMAGE = torch.randn(2, 3, 8, 8).double()


def channels_of(module: nn.Module, x: Tensor = IMAGE, exclude: tuple[str, ...] = ()) -> Channels:
    network = read_back(randomized(module), x)
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
    channels = channels_of(MobileNet())
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
    (head,) = [layer for layer in channels_of(PlainNet()).layers if layer.name == "head"]
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
    assert reasons["stem"].startswith("einsum is not followed")
    assert reasons["free"] is None


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


def test_a_layer_of_one_channel_is_listed() -> None:
    channels = channels_of(TwoHeads(), torch.randn(2, 6).double())
    (first,) = [layer for layer in channels.layers if layer.name == "first"]
    assert (first.width, first.reason) == (1, "it is the only one")
