"""What can't be trained is refused, with the layer and the reason."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.graph.from_export import as_network
from narrows.graph.network import Network
from narrows.trials.errors import TrialError
from narrows.trials.obstacles import require_trainable
from narrows.trials.trainable import Trainable


class Constant(nn.Module):
    """A layer with a weight that is no parameter: a plain tensor, or a buffer."""

    def __init__(self, *, buffer: bool) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
        weight = torch.randn(4, 4)
        if buffer:
            self.register_buffer("fixed", weight)
        else:
            self.fixed = weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(F.linear(torch.relu(self.first(x)), self.fixed))
        return y


class Quantised(nn.Module):
    """A layer whose weight is computed from 8-bit integers."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.register_buffer("weight", torch.randint(-128, 127, (2, 4), dtype=torch.int8))
        self.scale = 0.01

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.first(x), self.weight.float() * self.scale)


class Rounded(nn.Module):
    """A layer whose weight is rounded; with `through`, its gradient goes through."""

    def __init__(self, *, through: bool) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
        self.through = through

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.first.weight * 8).round() / 8
        if self.through:
            weight = self.first.weight + (weight - self.first.weight).detach()
        y: Tensor = self.last(F.linear(x, weight, self.first.bias))
        return y


class WrittenOut(nn.Module):
    """A norm by its own statistics in arithmetic; `kind` is the class that owns them."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 4), kind(4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = dict(self.norm.named_parameters()) | dict(self.norm.named_buffers())
        scale = state["weight"] * (state["running_var"] + 1e-5).rsqrt()
        shift = state["bias"] - state["running_mean"] * scale
        y: Tensor = self.last(self.first(x) * scale + shift)
        return y


class FrozenNorm(nn.Module):
    """As torchvision's FrozenBatchNorm2d: all its tensors are buffers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            self.register_buffer(name, torch.full((width,), float(value)))


def network(module: nn.Module) -> Network:
    return as_network(module, (torch.randn(2, 3),))


def folded() -> Network:
    """Return a network whose batch norm went into the layer before, and left its tensors there."""
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    whole = network(module)
    nodes, gone = [], {}
    for node in whole.nodes:
        if node.module == "1":
            gone[node.outputs[0]] = node.inputs["input"]
            continue
        inputs = {
            name: gone.get(getattr(value, "name", None), value)
            for name, value in node.inputs.items()
        }
        nodes.append(replace(node, inputs=inputs))
    return replace(whole, nodes=tuple(nodes))


def without_parameters() -> Network:
    return replace(network(nn.Linear(3, 2)), parameters=frozenset())


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (without_parameters, "it has no parameters of floating-point numbers"),
        (lambda: network(Constant(buffer=False)), "holds its weight as a constant (fixed)"),
        (lambda: network(Quantised()), "computes its weight from integers (weight)"),
        (lambda: network(Rounded(through=False)), "no gradient reaches first.weight: round"),
        (lambda: network(WrittenOut(nn.BatchNorm1d)), "the batch norm 'norm' is written out"),
        (folded, "the batch norm '1' is not called: it was folded"),
    ],
)
def test_what_cant_be_trained_is_refused(make: Callable[[], Network], problem: str) -> None:
    with pytest.raises(TrialError, match="the network can't be trained") as raised:
        Trainable.of(make())
    assert problem in str(raised.value)


class SpareHead(nn.Module):
    """A head for training, with a batch norm, that does not run in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.spare = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y


@pytest.mark.parametrize(
    "module",
    [
        Constant(buffer=True),
        Rounded(through=True),
        WrittenOut(FrozenNorm),
        SpareHead(),
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_its_source_trains_too_is_not_refused(module: nn.Module) -> None:
    require_trainable(network(module))
