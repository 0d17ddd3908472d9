"""Ranking and verdicts on numbers whose answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.methods import ranking
from narrows.methods.partial_sums import PartialSums
from narrows.methods.table import Method
from narrows.verdict.jackknife import interval, replicates
from narrows.verdict.rule import Verdict, judge
from tests.support.exporting import randomized, read_back

WIDTHS = (32, 6, 32)


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
def channels(network: Network) -> Channels:
    return find_channels(network, trace_shapes(network))


def partial_sums(levels: tuple[float, ...], noise: float = 0.0, batches: int = 20) -> PartialSums:
    """Terms whose saliencies lie around `levels`, a level a layer, and vary between batches."""
    rng = np.random.default_rng(0)
    base = np.concatenate(
        [level + rng.random(width) for level, width in zip(levels, WIDTHS, strict=True)]
    )
    first = base + noise * rng.standard_normal((batches, sum(WIDTHS)))
    return PartialSums(np.ones(batches), np.full(batches, 64), {"first": 64 * first})


def judged(channels: Channels, found: PartialSums, ratio: float = 0.5) -> dict[str, Verdict]:
    by = Method("first_order")
    order = by.order(found.averages, 1.0)
    return judge(channels, order, replicates(by, found), ratio, int(found.samples.sum()))


def test_the_layer_of_the_highest_saliencies_is_the_bottleneck(channels: Channels) -> None:
    verdicts = judged(channels, partial_sums((1.0, 3.0, 1.0)))
    assert {name: v.verdict for name, v in verdicts.items()} == {
        "0": "balanced",
        "2": "bottleneck",
        "5": "balanced",
        "7": "not_prunable",
    }
    narrow = verdicts["2"]
    assert narrow.pruning_ratio == 0.0
    assert narrow.interval == (0.0, 0.0)
    assert narrow.score == pytest.approx(1 - 3 / sum(WIDTHS))
    assert narrow.p_value is not None
    assert narrow.p_value < 1e-3


def test_equal_layers_are_balanced(channels: Channels) -> None:
    verdicts = judged(channels, partial_sums((1.0, 1.0, 1.0)))
    assert {v.verdict for v in verdicts.values()} == {"balanced", "not_prunable"}


def test_a_layer_far_below_all_others_is_redundant(channels: Channels) -> None:
    verdicts = judged(channels, partial_sums((3.0, 3.5, 1.0)))
    assert verdicts["5"].verdict == "redundant"
    assert verdicts["5"].pruning_ratio == 1.0


def test_a_dead_layer_makes_no_other_one_stand_out(channels: Channels) -> None:
    dead = partial_sums((1.0, 1.0, 1.0))
    dead.sums["first"][:, sum(WIDTHS[:2]) :] = 0
    verdicts = judged(channels, dead)
    assert [verdicts[name].verdict for name in "025"] == ["balanced", "balanced", "redundant"]
    scores = [verdicts[name].score or 0.0 for name in "02"]
    assert np.average(scores, weights=WIDTHS[:2]) == pytest.approx(0.5)


def test_what_the_batches_leave_open_is_not_called_a_bottleneck(channels: Channels) -> None:
    verdict = judged(channels, partial_sums((1.0, 1.8, 1.0), noise=3.0))["2"]
    assert verdict.verdict != "bottleneck"
    assert verdict.score_interval is not None
    assert verdict.score_interval[1] - verdict.score_interval[0] > 0.2


def test_a_suspicion_says_what_would_settle_it(channels: Channels) -> None:
    few = judged(channels, partial_sums((1.0, 3.0, 1.0), noise=6.0))["2"]
    assert few.verdict == "suspected"
    assert "leave open whether it is above 0.67" in str(few.because)
    assert few.samples_needed is not None
    assert few.samples_needed > 20 * 64
    many = judged(channels, partial_sums((1.0, 3.0, 1.0), noise=6.0, batches=500))["2"]
    assert (many.verdict, many.samples_needed) == ("bottleneck", None)


def test_without_batches_to_leave_out_nothing_is_certain(channels: Channels) -> None:
    verdict = judged(channels, partial_sums((1.0, 3.0, 1.0), batches=4))["2"]
    assert (verdict.verdict, verdict.interval, verdict.score_interval) == ("undecided", None, None)
    assert "fewer than 8 batches" in str(verdict.because)


def test_intervals_of_a_mean_cover_it_as_often_as_they_say() -> None:
    """For a plain mean the jackknife's standard error is the textbook's."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        values = 0.5 + 0.1 * rng.standard_normal(20)
        without = [np.delete(values, i).mean() for i in range(20)]
        low, high = interval(float(values.mean()), without) or (0, 0)
        covered += low <= 0.5 <= high
    assert 930 <= covered <= 970


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)))
def test_ranks_are_a_permutation_in_the_order_of_saliency(saliency: np.ndarray) -> None:
    rank = ranking.ranked(saliency).rank
    assert sorted(rank) == list(range(len(saliency)))
    rounding = 2.0**-19 * saliency.max()
    assert (np.diff(saliency[np.argsort(rank)]) >= -rounding).all()


@given(arrays(np.float64, 40, elements=st.floats(0, 1)), st.floats(0.01, 0.99))
def test_the_layers_ratios_add_up_to_the_global_ratio(saliency: np.ndarray, ratio: float) -> None:
    rank = ranking.ranked(saliency).rank
    layers = np.split(np.arange(40), [5, 17])
    removed = sum(ranking.pruning_ratio(rank, own, ratio) * len(own) for own in layers)
    assert round(removed) == ranking.removals(40, ratio)
