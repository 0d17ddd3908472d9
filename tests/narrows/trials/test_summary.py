"""Means and gains, against scipy's paired test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from narrows.trials.result import RunResult
from narrows.trials.summary import Mean, summarize
from narrows.trials.trial import Trial


def result(variant: str, seed: int, loss: float | None, accuracy: float | None = None) -> RunResult:
    error = "the training loss became nan" if loss is None else None
    return RunResult(variant, seed, 100, 1000, 10, loss, accuracy, (), error)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12, unique=True))
def test_an_interval_is_students(values: list[float]) -> None:
    mean = Mean.of(values)
    assert mean is not None
    assert mean.interval is not None
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean.interval == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-9)


def test_a_gain_is_paired_by_seed() -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(size=6)  # what a seed's samples are like: the same for all variants
    before, after = level + 0.3 + 0.01 * rng.normal(size=6), level + 0.01 * rng.normal(size=6)
    results = [result("original", s, before[s], 0.5) for s in range(6)]
    results += [result("double", s, after[s], 0.75) for s in reversed(range(6))]
    original, double = summarize(results)
    paired = stats.ttest_rel(before, after).confidence_interval(0.95)
    assert double.gain is not None
    assert double.gain.interval == pytest.approx(tuple(paired))
    assert double.gain.value == pytest.approx(np.mean(before - after))
    assert double.accuracy_gain == Mean(0.25, (0.25, 0.25), 6)
    assert (original.gain, original.accuracy_gain) == (None, None)


def test_one_seed_has_no_interval() -> None:
    _, double = summarize([result("original", 0, 1.0), result("double", 0, 0.75)])
    assert double.gain == Mean(0.25, None, 1)
    assert "with a single seed there is no interval" in repr(
        Trial([result("original", 0, 1.0), result("double", 0, 0.75)])
    )


def test_runs_with_errors_are_left_out_and_named() -> None:
    results = [result("original", 0, 1.0), result("original", 1, None), result("original", 2, 3.0)]
    results += [result("double", 0, 0.5), result("double", 1, 0.1), result("double", 2, None)]
    original, double = summarize(results)
    assert original.loss is not None
    assert (original.loss.value, original.loss.count) == (2.0, 2)
    assert double.gain == Mean(0.5, None, 1)  # of seed 0 alone
    assert double.errors == {2: "the training loss became nan"}
    assert "double, seed 2: the training loss became nan" in repr(Trial(results))
    (empty,) = summarize([result("double", 0, None)])
    assert (empty.loss, empty.gain, empty.parameters) == (None, None, None)


def test_a_notebook_gets_a_table_with_escaped_texts() -> None:
    trial = Trial([result("original", 0, 1.0)], {"<b>": "because"})
    html = trial._repr_html_()
    assert "<td>original</td>" in html
    assert "&lt;b&gt; was left out: because" in html
    assert "<b>" not in html
