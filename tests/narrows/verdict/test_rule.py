"""Ranking and verdicts on numbers whose answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import hypergeom
from torch import nn

from narrows.channels.groups import find_channels
from narrows.channels.structures import Channels
from narrows.graph.network import Network
from narrows.graph.shapes import trace_shapes
from narrows.methods import ranking
from narrows.methods.partial_sums import PartialSums
from narrows.methods.table import Method
from narrows.verdict.comparable import Cases
from narrows.verdict.jackknife import interval, replicates
from narrows.verdict.promise import HIGH
from narrows.verdict.rule import Judge
from narrows.verdict.verdict import Verdict
from narrows.verdict.widen_rank import widen_ranks
from narrows.verdict.worth import Worth
from narrows.vocabulary import RULES
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


def cases_of(channels: Channels) -> Cases:
    return Cases.of(channels, np.ones(len(channels), np.int64))


def verdicts_of(channels: Channels, judge: Judge) -> dict[str, Verdict]:
    found = judge.verdicts(cases_of(channels))
    return {
        layer.name: found.get(layer.own.tobytes(), Verdict("not_prunable"))
        for layer in channels.layers
    }


def judged(channels: Channels, found: PartialSums, ratio: float = 0.5) -> dict[str, Verdict]:
    by = Method("first_order")
    order = by.order(found.averages, 1.0)
    return verdicts_of(
        channels, Judge(order, replicates(by, found), ratio, int(found.samples.sum()))
    )


def judged_by_worth(
    channels: Channels, levels: tuple[float, ...], noise: float = 0.0
) -> dict[str, Verdict]:
    """The verdicts where channels of each layer are worth its level; groups of batches vary.

    A pruning takes the even structures, so half of each layer.
    """
    worth = np.repeat(levels, WIDTHS)
    without = worth * np.exp(noise * np.random.default_rng(0).standard_normal((20, len(worth))))
    order = ranking.ranked(np.resize([1.0, 2.0], len(worth)))
    judge = Judge(order, [order, order], 0.5, 1000, rule="worth", worth=Worth(worth, without))
    return verdicts_of(channels, judge)


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
    # none of 6 among the 35 of 70 that go, and a third layer like it
    assert narrow.p_value == pytest.approx(3 * hypergeom(70, 35, 6).pmf(0))


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
    few = judged(channels, partial_sums((1.0, 3.0, 1.0), noise=5.0))["2"]
    assert few.verdict == "suspected"
    assert "leave open whether it is below 12.5%" in str(few.because)
    assert few.samples_needed is not None
    assert few.samples_needed > 20 * 64
    many = judged(channels, partial_sums((1.0, 3.0, 1.0), noise=5.0, batches=500))["2"]
    assert (many.verdict, many.samples_needed) == ("bottleneck", None)


def test_without_batches_to_leave_out_nothing_is_certain(channels: Channels) -> None:
    verdict = judged(channels, partial_sums((1.0, 3.0, 1.0), batches=4))["2"]
    assert (verdict.verdict, verdict.interval, verdict.score_interval) == ("undecided", None, None)
    assert "fewer than 8 batches" in str(verdict.because)


def test_a_narrow_layer_is_a_bottleneck_where_one_more_channel_promises_enough(
    channels: Channels,
) -> None:
    """With 6 channels of 32, those of equal worth promise 32/6 times as much."""
    verdicts = judged_by_worth(channels, (1.0, 1.0, 1.0))
    assert [verdicts[name].verdict for name in "0257"] == [
        "balanced",
        "bottleneck",
        "balanced",
        "not_prunable",
    ]
    narrow = verdicts["2"]
    assert narrow.promise == pytest.approx(32 / 6)
    assert narrow.promise_interval == pytest.approx((32 / 6, 32 / 6))
    assert str(narrow.because).startswith(
        "a channel here is worth 1 typical channels; one more promises 5.3 times as much as in "
        "comparable layers, 95 % interval 5.3 to 5.3"
    )
    enough = HIGH * 6 / 32
    assert judged_by_worth(channels, (1.0, 1.01 * enough, 1.0))["2"].verdict == "bottleneck"
    assert judged_by_worth(channels, (1.0, 0.99 * enough, 1.0))["2"].verdict == "balanced"
    # both neighbours count: the layer is held against the one that promises more
    assert judged_by_worth(channels, (1.0, 1.0, 1.5))["2"].promise == pytest.approx(32 / 6 / 1.5)


def test_a_wide_layer_is_no_bottleneck_whatever_its_channels_are_worth(channels: Channels) -> None:
    verdicts = judged_by_worth(channels, (50.0, 1.0, 1.0))
    assert verdicts["0"].promise == pytest.approx(50 * 6 / 32)
    assert verdicts["0"].verdict == "balanced"
    assert "but it is not narrow" in str(verdicts["0"].because)


def test_a_layer_that_a_pruning_takes_whole_is_redundant_by_both_rules(channels: Channels) -> None:
    worth = np.ones(sum(WIDTHS))
    by = Method("first_order")
    sums = partial_sums((3.0, 3.5, 1.0))
    for rule in RULES:
        judge = Judge(
            by.order(sums.averages, 1.0),
            replicates(by, sums),
            0.5,
            1000,
            rule=rule,
            worth=Worth(worth, np.array([worth] * 20)),
        )
        verdict = verdicts_of(channels, judge)["5"]
        assert verdict.verdict == "redundant"
        assert str(verdict.because).startswith(
            "100% of its channels are pruned, 95 % interval 100%"
        )


def test_only_what_more_samples_can_settle_is_suspected(channels: Channels) -> None:
    level = 1.2 * HIGH * 6 / 32
    sure, unsure = (judged_by_worth(channels, (1.0, level, 1.0), noise)["2"] for noise in (0, 0.05))
    assert (sure.verdict, sure.samples_needed) == ("bottleneck", None)
    assert unsure.verdict == "suspected"
    assert f"the data leave open whether that is {HIGH:g} times" in str(unsure.because)
    assert unsure.promise is not None
    assert unsure.promise_interval is not None
    assert unsure.promise_interval[0] < HIGH <= unsure.promise_interval[1]
    reach = np.log(unsure.promise / unsure.promise_interval[0])
    share = reach / np.log(unsure.promise / HIGH)
    assert unsure.samples_needed == pytest.approx(1000 * share**2, abs=1)


def test_streams_and_blocks_are_compared_among_themselves() -> None:
    """A stream is worth ten times as much; beside it, nothing else would stand out."""
    ends = np.cumsum([16, 4, 16, 16, 4])
    own = [np.arange(end - size, end) for size, end in zip([16, 4, 16, 16, 4], ends, strict=True)]
    owned = {o.tobytes(): o for o in own}
    stream, inner = (True, False), (False, False)
    cases = Cases(owned, dict(zip(owned, (stream, inner, inner, inner, stream), strict=True)))
    worth = np.repeat([10.0, 1.0, 1.0, 1.0, 2.0], [16, 4, 16, 16, 4])
    order = ranking.ranked(np.resize([1.0, 2.0], len(worth)))
    found = Judge(
        order, [order, order], 0.5, 1000, rule="worth", worth=Worth(worth, np.array([worth] * 20))
    ).verdicts(cases)
    assert [v.promise for v in found.values()] == pytest.approx([1.25, 4, 0.25, 1, 0.8])
    assert [v.verdict for v in found.values()] == [
        "balanced", "bottleneck", "balanced", "balanced", "balanced",
    ]  # fmt: skip
    alone = cases.without([next(iter(owned))])
    lonely = Judge(
        order, [order, order], 0.5, 1000, rule="worth", worth=Worth(worth, np.array([worth] * 20))
    ).verdicts(alone)[list(owned)[-1]]
    assert (lonely.verdict, lonely.promise) == ("undecided", None)
    assert "no comparable layer" in str(lonely.because)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0.1, 10)), min_size=2, max_size=6),
    st.permutations(range(54)),
    st.booleans(),
    st.floats(1e-6, 1e6),
)
def test_verdicts_do_not_depend_on_labels_direction_or_unit(
    layers: list[tuple[int, float]], labels: list[int], backwards: bool, unit: float
) -> None:
    """Structures may have any numbers, layers come from either end, and the loss has any unit."""

    def found(
        numbers: np.ndarray, order: list[int], scale: float
    ) -> list[tuple[str, float | None]]:
        ends = np.cumsum([width for width, _ in layers])
        own = [
            np.sort(numbers[end - width : end])
            for (width, _), end in zip(layers, ends, strict=True)
        ]
        worth = np.full(54, scale)
        for (_, level), of_layer in zip(layers, own, strict=True):
            worth[of_layer] = level * scale
        owned = {own[place].tobytes(): own[place] for place in order}
        ranked = ranking.ranked(np.ones(54))
        judge = Judge(
            ranked, [ranked] * 2, 0.5, 10, rule="worth", worth=Worth(worth, np.array([worth] * 9))
        )
        verdicts = judge.verdicts(Cases(owned, dict.fromkeys(owned, (False, False))))
        by_layer = [verdicts[of_layer.tobytes()] for of_layer in own]
        return [(v.verdict, v.promise and float(f"{v.promise:.6g}")) for v in by_layer]

    usual = list(range(len(layers)))
    expected = found(np.arange(54), usual, 1.0)
    assert found(np.array(labels), usual[::-1] if backwards else usual, unit) == expected


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 5))
def test_layers_alike_share_their_rank_in_widen_here_first(widths: list[int], first: int) -> None:
    ends = np.cumsum(widths)
    own = [np.arange(end - width, end) for width, end in zip(widths, ends, strict=True)]
    owned = {of_layer.tobytes(): of_layer for of_layer in own}
    worth = Worth(np.ones(ends[-1]), np.empty((0, ends[-1])))
    ranks = list(widen_ranks(worth, owned, np.full(ends[-1], 7.0)).values())
    assert ranks == [1 + sum(other < width for other in widths) for width in widths]
    best = own[first % len(own)]
    worth.of_structures[best] = 100.0
    assert widen_ranks(worth, owned, np.full(ends[-1], 7.0))[best.tobytes()] == 1


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
