"""Expected gains, from the calibration that comes with Narrows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.verdict.gain import FACTS, Gain, calibration
from narrows.vocabulary import BUDGET_KINDS, BudgetKind

PROMISES = st.floats(0, 10)


@given(st.sampled_from(BUDGET_KINDS), PROMISES, PROMISES)
def test_who_promises_more_is_expected_to_gain_no_less(
    kind: BudgetKind, one: float, other: float
) -> None:
    curve = calibration().curves[kind]
    less, more = (curve.expected(p, (p, p)) for p in sorted((one, other)))
    assert 0 <= less.gain <= more.gain
    for gain, (low, high) in (less, more):
        assert low <= gain <= high
    assert less.interval[0] <= more.interval[0]
    assert less.interval[1] <= more.interval[1]


@pytest.mark.parametrize("kind", BUDGET_KINDS)
def test_uncertain_worth_makes_the_interval_wider(kind: BudgetKind) -> None:
    curve = calibration().curves[kind]
    middle = float(np.median(curve.promises))
    sure, unsure = (curve.expected(middle, (middle / f, middle * f)) for f in (1, 2))
    assert unsure.gain == sure.gain
    assert unsure.interval[0] < sure.interval[0]
    assert unsure.interval[1] > sure.interval[1]


def test_a_share_of_the_loss_becomes_a_loss() -> None:
    assert Gain(0.1, (-0.2, 0.4)).times(0.5) == (0.05, (-0.1, 0.2))


def test_what_differs_is_said() -> None:
    ranges = calibration().ranges
    inside = {name: sum(ranges[name]) / 2 for name in FACTS}
    assert "extrapolated" not in calibration().basis(inside)
    for name in FACTS:
        text = calibration().basis(inside | {name: 1000 * ranges[name][1]})
        assert FACTS[name].partition("{} ")[2] in text
        assert text.count("theirs") == 1
        assert "do not trust their size" in text
