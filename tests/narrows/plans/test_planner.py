"""Budgets and plans: they meet what they promise, and list every edit."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from narrows.arrays import Ints
from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.plans import budget
from narrows.plans.edits import Edit
from narrows.plans.planner import Plan, Planner
from narrows.surgery import Verification, resize, verify
from narrows.vocabulary import CostKind
from tests.support.architectures import (
    LanguageModel,
    Transformer,
    VisionTransformer,
)
from tests.support.exporting import exported, randomized, read_back

WIDTHS = (32, 6, 32)
NARROW, LAST = 1, 2


@pytest.fixture(scope="module")
def network() -> Network:
    first, second, third = WIDTHS
    module = nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1),
        nn.BatchNorm2d(first),
        nn.Conv2d(first, second, 3, padding=1),
        nn.BatchNorm2d(second),
        nn.ReLU(),
        nn.Conv2d(second, third, 3, padding=1),
        nn.Flatten(),
        nn.Linear(third * 16, 10),
    )
    return read_back(randomized(module), torch.randn(2, 1, 4, 4).double())


@pytest.fixture(scope="module")
def shapes(network: Network) -> Shapes:
    return trace_shapes(network)


@pytest.fixture(scope="module")
def channels(network: Network, shapes: Shapes) -> Channels:
    return find_channels(network, shapes)


@pytest.fixture(scope="module")
def planner(network: Network, shapes: Shapes, channels: Channels) -> Planner:
    rank = np.random.default_rng(0).permutation(len(channels))
    return Planner(network, shapes, channels, rank)


def test_doubling_a_bottleneck_lists_every_edit(planner: Planner) -> None:
    plan = planner.double([NARROW])
    (layer,) = plan.layers
    assert (layer.name, layer.width, layer.new_width) == ("2", 6, 12)
    assert set(layer.edits) == {
        Edit("2", "out_channels", 6, 12),
        Edit("3", "num_features", 6, 12),
        Edit("5", "in_channels", 6, 12),
    }
    gained = 6 * (32 * 9 + 1) + 2 * 6 + 32 * 6 * 9
    assert plan.after.parameters - plan.before.parameters == gained


def test_widening_before_a_flatten_counts_its_positions(planner: Planner) -> None:
    (layer,) = planner.double([LAST]).layers
    assert Edit("7", "in_features", 32 * 16, 64 * 16) in layer.edits


def test_without_bottlenecks_there_is_nothing_to_do(planner: Planner) -> None:
    for plan in (planner.double([]), planner.uniform([]), planner.reallocate([], [LAST])):
        assert plan.layers == ()
        assert plan.before == plan.after


def test_uniform_widening_costs_what_doubling_costs(planner: Planner) -> None:
    double, uniform = planner.double([LAST]), planner.uniform([LAST])
    assert uniform.before.parameters < uniform.after.parameters <= double.after.parameters
    one_more = {group: width + 1 for group, width in enumerate(_widths(planner, uniform.copies))}
    wider = planner.cost_of(budget.copies_for_widths(planner.channels, planner.rank, one_more))
    assert wider.parameters > double.after.parameters


def test_reallocation_keeps_the_macs(planner: Planner) -> None:
    plan = planner.reallocate([NARROW], [LAST])
    widths = _widths(planner, plan.copies)
    assert plan.after.macs <= plan.before.macs
    assert plan.after.macs > 0.95 * plan.before.macs
    assert widths[NARROW] > WIDTHS[NARROW]
    assert WIDTHS[LAST] / 2 <= widths[LAST] < WIDTHS[LAST]


def test_factors_of_ones_own_round_to_widths(planner: Planner) -> None:
    plan = planner.custom({NARROW: 1.5, LAST: 0.01})
    assert _widths(planner, plan.copies) == [32, 9, 1]


class Stream(nn.Module):
    """A residual stream between layer norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 12)
        self.norms = nn.ModuleList(nn.LayerNorm(12) for _ in range(2))
        self.up, self.down = nn.Linear(12, 20), nn.Linear(20, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y: Tensor = self.head(self.norms[1](x + self.down(F.gelu(self.up(self.norms[0](x))))))
        return y


def _planner(network: Network) -> Planner:
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    rank = np.random.default_rng(0).permutation(len(channels))
    return Planner(network, shapes, channels, rank)


def _proof(network: Network, planner: Planner, plan: Plan) -> Verification:
    built = resize(network, planner.channels, plan.copies)
    return verify(network, planner.channels, plan.copies, built)


@pytest.mark.parametrize("architecture", [Transformer, VisionTransformer, LanguageModel, Stream])
def test_what_norms_read_is_widened_by_whole_factors(architecture: type[nn.Module]) -> None:
    """So that the built network computes what the original does."""
    network = (
        read_back(randomized(Stream()), torch.randn(4, 4).double())
        if architecture is Stream
        else exported(architecture).network
    )
    planner = _planner(network)
    normed = planner.channels.normalized_groups()
    assert normed
    for plan in (planner.double(normed), planner.uniform(normed)):
        assert plan.layers
        verification = _proof(network, planner, plan)
        assert verification.reasons == ()
        assert verification.deviation < 1e-10
    assert (plan.copies[np.isin(planner.channels.groups, [*normed])] == 1).all()


def test_uniform_widens_what_norms_read_where_there_is_nothing_else() -> None:
    module = nn.Sequential(nn.Linear(4, 12), nn.LayerNorm(12), nn.Linear(12, 3))
    network = read_back(randomized(module), torch.randn(4, 4).double())
    planner = _planner(network)
    plan = planner.custom({0: 1.5})
    assert planner.uniform([0]).copies.sum() == 24
    assert _proof(network, planner, plan).reasons == (
        "layer_norm in 1 normalizes over channels that are cut or copied unevenly",
    )


def _widths(planner: Planner, copies: Ints) -> list[int]:
    groups = planner.channels.groups
    return [int(copies[groups == group].sum()) for group in np.unique(groups)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    ratio=st.floats(0.05, 0.9),
    cost=st.sampled_from(["structures", "parameters", "macs"]),
)
def test_a_cut_meets_its_budget_within_one_structure(
    planner: Planner, seed: int, ratio: float, cost: CostKind
) -> None:
    rank = np.random.default_rng(seed).permutation(len(planner.channels))
    copies = budget.prune_to_ratio(planner.channels, rank, ratio, planner.cost_of, cost)
    assert min(_widths(planner, copies)) >= 1
    cuts = np.flatnonzero(copies == 0)
    if cost == "structures":
        assert len(cuts) == round(ratio * len(copies))
        return
    limit = (1 - ratio) * getattr(planner.cost_of(np.ones_like(copies)), cost)
    assert getattr(planner.cost_of(copies), cost) <= limit
    if len(cuts):
        copies[cuts[np.argmax(rank[cuts])]] = 1  # the last one cut
        assert getattr(planner.cost_of(copies), cost) > limit


def test_prices_are_what_cutting_alone_saves(planner: Planner) -> None:
    keep = np.ones(len(planner.channels), np.int64)
    costs = budget.structure_costs(planner.channels, planner.cost_of, "parameters")
    for structure in (0, 33, 60):
        without = keep.copy()
        without[structure] = 0
        saved = planner.cost_of(keep).parameters - planner.cost_of(without).parameters
        assert costs[structure] == saved


def test_a_block_of_channels_costs_as_many_as_it_has() -> None:
    """A head of attention is not ranked as if it were a single neuron."""
    planner = _planner(exported(Transformer).network)
    channels = planner.channels
    costs = budget.structure_costs(channels, planner.cost_of, "structures")
    expected = np.zeros(len(channels))
    for layer in channels.layers:
        for structure in layer.own.tolist():
            size = np.count_nonzero(layer.structures == structure)
            expected[structure] = max(expected[structure], size)
    np.testing.assert_array_equal(costs, expected)
    assert set(costs.tolist()) > {1.0}
