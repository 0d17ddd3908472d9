"""The advised plan: what it promises, what it spends, and that it never promises less than uniform.

See docs/method.md, "Advise".
"""

import itertools
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from narrows.arrays import Floats
from narrows.channels.groups import find_channels
from narrows.graph.shapes import trace_shapes
from narrows.methods.partial_sums import PartialSums
from narrows.methods.ridge import DAMPING
from narrows.plans.advise import Advisor, Widths, unchanged
from narrows.plans.planner import MOST, Planner
from narrows.surgery import resize, verify
from narrows.verdict.worth import Worth, worth
from tests.support.architectures import ResidualNet, Transformer
from tests.support.exporting import exported, randomized, read_back


def planner_of(module: nn.Module, *shape: int) -> Planner:
    network = read_back(randomized(module), torch.randn(*shape).double())
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    return Planner(network, shapes, channels, np.arange(len(channels)))


def perceptron(*widths: int) -> Planner:
    """Layers without biases: n · m parameters, and as many MACs, from each to the next."""
    layers = itertools.pairwise(widths)
    parts = itertools.chain(*((nn.Linear(a, b, bias=False), nn.ReLU()) for a, b in layers))
    return planner_of(nn.Sequential(*parts), 4, widths[0])


def advisor(planner: Planner, values: dict[int, float], **options: Any) -> Advisor:
    return Advisor(planner, values, **{"budget": 0.1, "cost": "parameters", **options})


def widths_of(found: Advisor) -> list[int]:
    copies, groups = found.plan().copies, found.planner.channels.groups
    return [int(copies[groups == group].sum()) for group in np.unique(groups)]


# --- what the quadratic model says of copies ------------------------------------------------------


def worth_of(factor: Floats) -> Worth:
    found = worth(PartialSums(np.zeros(10), np.full(10, 6), factor=cast("Any", factor)))
    assert found is not None
    return found


def of_a_factor(structures: int = 12) -> tuple[Floats, float, Floats]:
    """Return a factor [60, S], λ, and the worth w of its structures."""
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((60, 8)) @ rng.standard_normal((8, structures))
    factor += 0.3 * rng.standard_normal(factor.shape)
    price = DAMPING * float((factor**2).sum(0).mean()) / len(factor)
    return factor, price, worth_of(factor).of_structures


def least_rise(factor: Floats, price: float, removed: list[int]) -> float:
    """Return the least rise of the quadratic model once the gates of `removed` are closed."""
    matrix = factor.T @ factor / len(factor) + price * np.eye(factor.shape[1])
    others = np.setdiff1d(np.arange(len(matrix)), removed)
    change = np.full(len(matrix), -1.0)
    pulled = matrix[:, removed].sum(1)[others]
    change[others] = np.linalg.solve(matrix[np.ix_(others, others)], pulled)
    return float(0.5 * change @ matrix @ change)


def test_worth_is_the_least_rise() -> None:
    factor, price, of_structures = of_a_factor()
    assert least_rise(factor, price, [3]) == pytest.approx(of_structures[3])


@pytest.mark.parametrize("copies", [1, 2, 3, 7])
def test_copies_share_what_the_channel_was_worth(copies: int) -> None:
    """What reads a channel of k copies divides by k, and so does each copy's column."""
    factor, price, of_structures = of_a_factor()
    parts = np.repeat(factor[:, :1], copies, 1) / copies
    enlarged = np.hstack([parts, factor[:, 1:]])
    above = least_rise(enlarged, price, list(range(copies))) / copies - price / 2
    assert above == pytest.approx((of_structures[0] - price / 2) / copies)


@pytest.mark.parametrize("copies", [2, 3, 7])
def test_one_of_equal_copies_is_hardly_missed(copies: int) -> None:
    factor, price, of_structures = of_a_factor()
    parts = np.repeat(factor[:, :1], copies, 1) / copies
    enlarged = np.hstack([parts, factor[:, 1:]])
    rest = price / (2 * of_structures[0])
    share = (1 + (copies - 1) * rest) / (copies - 1 + (copies**2 - copies + 1) * rest)
    one = least_rise(enlarged, price, [0])
    assert one == pytest.approx(price / 2 * copies * share)
    assert one < price / 2 * copies / (copies - 1)


@pytest.mark.parametrize("copies", [2, 5])
def test_a_whole_layer_of_copies_is_worth_no_less(copies: int) -> None:
    """The gates of its other channels, now k each, move at k times the price."""
    factor, price, of_structures = of_a_factor()
    layer = 4
    parts = np.repeat(factor[:, :layer], copies, 1) / copies
    enlarged = np.hstack([parts, factor[:, layer:]])
    whole = least_rise(enlarged, price, list(range(copies))) - copies * price / 2
    assert whole >= of_structures[0] - price / 2
    assert whole <= 0.5 * (factor[:, 0] ** 2).mean()


# --- how the budget is spent ----------------------------------------------------------------------


def test_what_wider_layers_promise() -> None:
    found = advisor(perceptron(6, 4, 8, 3), {0: 2.0, 1: 0.5})
    assert found.gain({0: 4, 1: 8}) == 0
    assert found.gain({0: 8, 1: 12}) == pytest.approx(2 * (1 - 1 / 2) + 0.5 * (1 - 1 / 1.5))
    assert found.gain({0: 10**9, 1: 8}) == pytest.approx(2)


def test_two_steps_promise_what_one_does() -> None:
    """After the first, copies are worth 4 / 6 as much, as a new analysis would find."""
    narrow = advisor(perceptron(3, 4, 3), {0: 3.0})
    wider = advisor(perceptron(3, 6, 3), {0: 3.0 * 4 / 6})
    assert narrow.gain({0: 6}) + wider.gain({0: 9}) == pytest.approx(narrow.gain({0: 9}))


def test_steps_go_where_a_channel_is_worth_most_for_its_cost() -> None:
    """24 + 16 + 32 + 24 parameters: a channel costs 10, 12 and 7."""
    planner = perceptron(6, 4, 4, 8, 3)
    assert widths_of(advisor(planner, {0: 1.0, 1: 1.0, 2: 1.0}, budget=0.11)) == [5, 4, 8]
    assert widths_of(advisor(planner, {0: 1.0, 1: 3.0, 2: 1.0}, budget=0.13)) == [4, 5, 8]
    assert widths_of(advisor(planner, {0: 0.0, 1: 0.0, 2: 0.1}, budget=0.24)) == [4, 4, 11]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    budget=st.floats(0.01, 1.5),
    cost=st.sampled_from(["parameters", "macs"]),
    multiple=st.sampled_from([None, 1, 4]),
)
def test_the_budget_is_met_within_one_step_and_never_exceeded(
    seed: int, budget: float, cost: str, multiple: int | None
) -> None:
    planner = CONVOLUTIONS
    rng = np.random.default_rng(seed)
    values = dict(enumerate(rng.uniform(0.1, 5, 3)))
    found = advisor(planner, values, budget=budget, cost=cost, multiple=multiple, seed=seed)
    greedy = found.greedy()
    limit = (1 + budget) * spent(found, {}) + 1e-6
    assert spent(found, greedy) <= limit
    for group, width in greedy.items():
        wider = found.next_width(group, width)
        at_most = MOST * planner.width(group)
        assert wider > at_most or spent(found, greedy | {group: wider}) > limit
    plan = found.plan()
    assert getattr(plan.after, cost) <= limit
    promised = dict(enumerate(widths_of(found)))
    assert found.gain(promised) >= found.gain(found.uniform()) * (1 - 1e-6)


def spent(found: Advisor, widths: Widths) -> int:
    factors = {g: width / found.planner.width(g) for g, width in widths.items()}
    return int(getattr(found.planner.custom(factors).after, found.cost))


CONVOLUTIONS = planner_of(
    nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 9, 3, padding=1),
        nn.Flatten(), nn.Linear(9 * 16, 10),
    ),
    2, 1, 4, 4,
)  # fmt: skip


@pytest.mark.parametrize("budget", [0.3, 0.8, 2.0])
def test_diminishing_returns_come_near_the_best_widths(budget: float) -> None:
    """Against all widths within the budget, with values from a factor."""
    planner = perceptron(3, 3, 5, 4, 2)
    found = worth_of(of_a_factor()[0])
    values = {g: found.of(np.flatnonzero(planner.channels.groups == g)) for g in range(3)}
    advised = advisor(planner, values, budget=budget)
    choices = itertools.product(*(range(n, 4 * n) for n in (3, 5, 4)))
    limit = (1 + budget) * spent(advised, {})
    cost = {w: 3 * w[0] + w[0] * w[1] + w[1] * w[2] + 2 * w[2] for w in choices}
    best = max(advised.gain(dict(enumerate(w))) for w in cost if cost[w] <= limit)
    greedy = advised.gain(advised.greedy())
    assert 0.9 * best < greedy <= best


def test_a_narrow_layer_does_not_get_everything() -> None:
    """Of layers that cost the same, the one of twice the worth gets √2 times as wide."""
    found = advisor(perceptron(8, 8, 8, 8, 8), {0: 2.0, 1: 0.0, 2: 1.0}, budget=1.0)
    assert widths_of(found) == [19, 8, 13]


@pytest.mark.parametrize("seed", range(6))
def test_equals_are_drawn_by_the_seed(seed: int) -> None:
    planner = perceptron(6, 6, 6)
    values = {0: 1.0}
    assert widths_of(advisor(planner, values, budget=0.2, seed=seed)) == [7]
    branches = planner_of(Branches(), 4, 6)
    found = widths_of(advisor(branches, {0: 1.0, 1: 1 + 1e-12}, budget=0.1, seed=seed))
    assert sorted(found) == [6, 7]


def test_every_one_of_equals_may_be_drawn() -> None:
    branches = planner_of(Branches(), 4, 6)
    values = {0: 1.0, 1: 1.0}
    drawn = {tuple(widths_of(advisor(branches, values, seed=seed))) for seed in range(20)}
    assert drawn == {(6, 7), (7, 6)}


class Branches(nn.Module):
    """Two paths that are alike: 12 parameters a channel, of 144."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ModuleList(nn.Linear(6, 6, bias=False) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(6, 6, bias=False) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = (down(up(x).relu()) for up, down in zip(self.up, self.down, strict=True))
        result: torch.Tensor = first + second
        return result


# --- what widths there may be ---------------------------------------------------------------------


def test_widths_are_multiples_from_64_channels_on() -> None:
    found = advisor(perceptron(8, 62, 100, 8), {0: 1.0, 1: 1.0})
    assert [found.next_width(0, width) for width in (62, 63, 64, 71)] == [63, 64, 72, 72]
    assert [found.next_width(1, width) for width in (100, 104)] == [104, 112]
    wide = advisor(perceptron(8, 100, 8), {0: 1.0}, budget=0.3)
    assert widths_of(wide) == [128]
    assert wide.uniform() == {0: 128}
    assert widths_of(advisor(perceptron(8, 40, 8), {0: 1.0}, budget=0.3)) == [52]


def test_multiples_of_ones_own() -> None:
    found = advisor(perceptron(8, 40, 8), {0: 1.0}, budget=0.3, multiple=16)
    assert widths_of(found) == [48]
    assert widths_of(advisor(perceptron(8, 40, 8), {0: 1.0}, budget=0.3, multiple=1)) == [52]
    nothing = advisor(perceptron(8, 40, 8), {0: 1.0}, budget=0.3, multiple=64).plan()
    assert nothing.layers == ()
    assert nothing.because == (
        "It changes nothing: no wider layers within the budget promise anything."
    )


def test_coupled_groups_are_widened_together() -> None:
    _, _, network = exported(ResidualNet)
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    planner = Planner(network, shapes, channels, np.arange(len(channels)))
    groups = [layer.group for layer in channels.layers if layer.group is not None]
    stream = max(groups, key=groups.count)
    assert groups.count(stream) > 1
    values = dict.fromkeys(np.unique(channels.groups).tolist(), 0.0) | {stream: 1.0}
    plan = advisor(planner, values, budget=0.5).plan()
    assert {layer.name for layer in plan.layers} == {
        layer.name for layer in channels.layers if layer.group == stream
    }
    built = resize(network, channels, plan.copies)
    assert verify(network, channels, plan.copies, built).deviation < 1e-10


def test_heads_count_as_their_channels_and_norms_are_left_alone() -> None:
    network = exported(Transformer).network
    shapes = trace_shapes(network)
    channels = find_channels(network, shapes)
    planner = Planner(network, shapes, channels, np.arange(len(channels)))
    groups = np.unique(channels.groups).tolist()
    found = advisor(planner, dict.fromkeys(groups, 1.0), budget=0.5, multiple=4)
    plan = found.plan()
    assert plan.layers
    normed = [*channels.normalized_groups()]
    assert (plan.copies[np.isin(channels.groups, normed)] == 1).all()
    sizes = channels.block_sizes()
    for group in planner.widenable():
        members = channels.groups == group
        width = int((plan.copies * sizes)[members].sum())
        assert width == sizes[members].sum() or width % 4 == 0
    built = resize(network, channels, plan.copies)
    assert verify(network, channels, plan.copies, built).deviation < 1e-10


# --- no worse than uniform ------------------------------------------------------------------------


def test_it_is_uniform_where_nothing_promises_more() -> None:
    planner = perceptron(10, 20, 30, 10)
    found = advisor(planner, {0: 0.0, 1: 0.0}, budget=0.5)
    plan = found.plan()
    assert widths_of(found) == [*found.uniform().values()]
    assert widths_of(found) > [20, 30]
    assert plan.because == "It widens all layers alike: by their worth, nothing else promises more."


def test_it_says_what_it_rests_on() -> None:
    plan = advisor(perceptron(10, 20, 4, 30, 10), {0: 1.0, 1: 20.0, 2: 1.0}).plan()
    assert plan.name == "advise"
    assert plan.because is not None
    assert plan.because.startswith("By worth, its widths promise ")
    assert "because" not in plan.to_dict()
    doubted = unchanged(perceptron(4, 4, 4), "the labels are wrong.")
    assert doubted.layers == ()
    assert doubted.because == "It changes nothing: the labels are wrong."
