"""Layers whose weight the program computes: of parameters, which are cut, or of the inputs."""

from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from narrows import surgery
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels, Layer
from narrows.gates.gated_network import gate
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.methods.magnitude import square_norms
from narrows.plans.cost import Cost, network_cost
from narrows.vocabulary import GateKind
from tests.support.exporting import randomized, read_back
from worker.pipeline.inspection import model_inspection

REASON = "its weight is computed by the program"


class Masked(nn.Module):
    """A linear map of which some weights are switched off."""

    mask: Tensor

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside))
        self.bias = nn.Parameter(torch.randn(outside))
        self.register_buffer("mask", torch.ones(outside, inside).tril())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class Multiplied(Masked):
    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight * self.mask).T + self.bias


class Adapted(nn.Module):
    """A linear map with an update of low rank."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside))
        self.up = nn.Parameter(torch.randn(outside, 2))
        self.down = nn.Parameter(torch.randn(2, inside))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight + self.up @ self.down)


class Standardized(nn.Conv2d):
    """A convolution whose filters have mean 0 and variance 1."""

    def forward(self, x: Tensor) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        std = self.weight.std((1, 2, 3), keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / (std + 1e-5), self.bias)


class Halved(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


def parametrized(inside: int, outside: int) -> nn.Module:
    layer = nn.Linear(inside, outside)
    return parametrize.register_parametrization(layer, "weight", Halved())


def weight_normed(inside: int, outside: int) -> nn.Module:
    return parametrizations.weight_norm(nn.Linear(inside, outside))


def dense(inner: nn.Module) -> tuple[nn.Module, Tensor]:
    """Return the layer between others, of which the second and third are its neighbours."""
    layers = [nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU(), inner, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2)), torch.randn(2, 3)


def convolutional(inner: nn.Module) -> tuple[nn.Module, Tensor]:
    layers = [nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(), inner]
    behind = [nn.ReLU(), nn.Conv2d(5, 6, 1), nn.ReLU(), nn.Conv2d(6, 2, 1)]
    return nn.Sequential(*layers, *behind), torch.randn(2, 3, 4, 4)


CASES = {
    "masked": (dense(Masked(4, 5)), 25, 20),
    "multiplied": (dense(Multiplied(4, 5)), 20, 20),  # its bias is added afterwards
    "low rank": (dense(Adapted(4, 5)), 38, 20),
    "parametrized": (dense(parametrized(4, 5)), 25, 20),
    "weight norm": (dense(weight_normed(4, 5)), 30, 20),
    "standardized": (convolutional(Standardized(4, 5, 3, padding=1)), 185, 180 * 16),
    "weight norm of a convolution": (
        convolutional(parametrizations.weight_norm(nn.Conv2d(4, 5, 3, padding=1))),
        190,
        180 * 16,
    ),
}
"""A network, and the parameters and MACs of its layer 4."""


@cache
def case_of(name: str, *, decomposed: bool = False) -> tuple[Network, Shapes, Channels]:
    (module, x), _, _ = CASES[name]
    return analysed(module, x, decomposed=decomposed)


def analysed(
    module: nn.Module, x: Tensor, *, decomposed: bool = False
) -> tuple[Network, Shapes, Channels]:
    network = read_back(randomized(module), x.double(), decomposed=decomposed)
    shapes = trace_shapes(network)
    return network, shapes, find_channels(network, shapes)


def by_name(channels: Channels) -> dict[str, Layer]:
    names = [layer.name for layer in channels.layers]
    assert len(set(names)) == len(names)
    return {layer.name: layer for layer in channels.layers}


@pytest.mark.parametrize("decomposed", [False, True], ids=["exported", "decomposed"])
@pytest.mark.parametrize("case", CASES)
def test_it_is_listed_and_counted(case: str, decomposed: bool) -> None:
    _, parameters, macs = CASES[case]
    network, shapes, channels = case_of(case, decomposed=decomposed)
    layers = by_name(channels)
    assert list(layers) == ["0", "2", "4", "6", "8"]
    assert (layers["4"].width, len(layers["4"].own), layers["4"].reason) == (5, 5, None)
    costs = network_cost(network, shapes, channels)
    assert costs.layers["4"] == (parameters, macs)
    assert costs.macs == sum(found for _, found in costs.layers.values())


@pytest.mark.parametrize("kind", ["weights", "channel"])
@pytest.mark.parametrize("case", CASES)
def test_its_gates_are_its_channels(case: str, kind: GateKind) -> None:
    network, shapes, channels = case_of(case)
    gated = gate(network, channels, kind, shapes)
    found = np.concatenate([gate.structures.numpy() for gate in gated.gates.values()])
    assert set(by_name(channels)["4"].own) <= set(found)
    (_, x), _, _ = CASES[case]
    m = torch.ones(1, len(channels)).double()
    torch.testing.assert_close(gated.at(m, x.double()), network(x.double())[0])


@pytest.mark.parametrize("case", ["masked", "multiplied", "low rank", "weight norm"])
def test_its_magnitude_is_that_of_what_it_multiplies_by(case: str) -> None:
    (module, _), _, _ = CASES[case]
    network, _, channels = case_of(case)
    inner = module.get_submodule("4")
    bias = inner(torch.zeros(1, 4).double())
    weight = (inner(torch.eye(4).double()) - bias).T
    own = bias[0] if case != "multiplied" else torch.zeros(5)  # which adds its bias afterwards
    squares, _ = square_norms(network, channels)
    expected = weight.square().sum(1) + own.square()
    assert squares[by_name(channels)["4"].structures] == pytest.approx(expected.detach().numpy())


@pytest.mark.parametrize("case", CASES)
def test_its_neighbours_change_as_planned(case: str) -> None:
    """What the plan says a network costs is what one counts in the network built."""
    network, shapes, channels = case_of(case)
    layers = by_name(channels)
    assert None not in (layers["0"].group, layers["6"].group)
    copies = np.ones(len(channels), np.int64)
    copies[channels.positions < 2] = 0
    planned = network_cost(network, shapes, channels, copies)
    built = surgery.resize(network, channels, copies, shapes=shapes)
    surgery.verify(network, channels, copies, built, shapes=shapes)
    after = trace_shapes(built)
    assert_same_costs(planned, network_cost(built, after, find_channels(built, after)))


class Dynamic(nn.Module):
    """A linear map whose weight is a mixture that each batch chooses."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2, outside, inside))

    def forward(self, x: Tensor) -> Tensor:
        chosen = x.mean().sigmoid()
        return F.linear(x, chosen * self.weights[0] + (1 - chosen) * self.weights[1])


def test_a_weight_that_depends_on_the_inputs_is_not_followed() -> None:
    network, shapes, channels = analysed(*dense(Dynamic(4, 5)))
    layer = by_name(channels)["4"]
    assert (layer.width, layer.weight, layer.group, layer.reason) == (5, None, None, REASON)
    (row,) = [r for r in model_inspection(network, shapes, channels)["layers"] if r["name"] == "4"]
    assert row["reason"] == f"Its channels can't be pruned: {REASON}."
    gated = gate(network, channels, "weights", shapes)
    assert not {*layer.nodes} & {*gated.gates}
    assert gated.gates


def assert_same_costs(planned: Cost, counted: Cost) -> None:
    assert planned.parameters == counted.parameters
    assert planned.layers == counted.layers


def test_several_of_one_module_have_names_of_their_own() -> None:
    class Twice(Masked):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(super().forward(x))

    _, _, channels = analysed(*dense(nn.Sequential(nn.Linear(4, 5), Twice(5, 5))))
    assert list(by_name(channels)) == ["0", "2", "4.0", "4.1", "4.1.linear_4", "6", "8"]


def test_a_weight_computed_once_is_one_layer() -> None:
    class Shared(Masked):
        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight * self.mask
            return F.linear(F.linear(x, weight), weight)

    network, shapes, channels = analysed(*dense(nn.Sequential(nn.Linear(4, 5), Shared(5, 5))))
    assert len(by_name(channels)["4.1"].nodes) == 2
    assert network_cost(network, shapes, channels).layers["4.1"] == (25, 50)


def test_tensors_of_other_uses_are_not_its_own() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.inner = nn.Embedding(7, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.inner(self.table(x)), self.table.weight / 2)

    network = read_back(randomized(Tied()), torch.randint(7, (2, 3)))
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    assert list(by_name(channels)) == ["inner", "linear_1"]
    assert network_cost(network, shapes, channels).layers["linear_1"] == (0, 3 * 7 * 4)


def test_scores_of_attention_are_no_layer() -> None:
    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k = nn.Linear(4, 6), nn.Linear(4, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.q(x) @ self.k(x).transpose(1, 2)

    network = read_back(randomized(Scores()), torch.randn(2, 3, 4).double())
    assert list(by_name(find_channels(network, trace_shapes(network)))) == ["q", "k"]
