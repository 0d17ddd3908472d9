"""Calibrations whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration import Sample, calibrated, left_out
from narrows.arrays import Floats, Ints


def sample(promise: Floats, gain: Floats, group: Ints) -> Sample:
    weight = 1 / np.bincount(group)[group]
    return Sample(promise, np.stack([promise, promise], 1), gain, group, weight)


def test_what_is_monotone_is_kept_and_the_rest_pooled() -> None:
    promise, group = np.array([1.0, 2.0, 3.0, 4.0]), np.arange(4)
    curve = calibrated(sample(promise, np.array([1.0, 3.0, 2.0, 4.0]), group))
    np.testing.assert_allclose(curve.promises, [1, 2.5, 4])
    np.testing.assert_allclose(curve.gains, [1, 2.5, 4])
    np.testing.assert_allclose(curve.at(np.array([0.0, 0.5, 2.5, 99.0])), [0, 0.5, 2.5, 4])


def test_no_gain_is_expected_where_widening_did_harm() -> None:
    curve = calibrated(sample(np.array([1.0, 2.0]), np.array([-1.0, 2.0]), np.arange(2)))
    np.testing.assert_allclose(curve.gains, [0, 2])


def test_a_network_says_nothing_of_itself() -> None:
    rng = np.random.default_rng(0)
    drawn = sample(rng.random(60), rng.random(60), np.repeat(np.arange(12), 5))
    own = drawn.group == 3
    other = replace(drawn, gain=np.where(own, 100.0, drawn.gain))
    for before, after in zip(left_out(drawn), left_out(other), strict=True):
        np.testing.assert_array_equal(before[..., own], after[..., own])
        assert not np.array_equal(before[..., ~own], after[..., ~own])


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_intervals_hold_as_many_gains_as_they_say(noise: float) -> None:
    """Gains of ten times the promise, times noise that networks and layers share in equal parts."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(60), 5)
    factor = noise * (rng.standard_normal(60)[group] + rng.standard_normal(300))
    promise = rng.lognormal(size=300)
    drawn = sample(promise, 10 * promise * np.exp(factor), group)
    gains, (low, high) = left_out(drawn)
    assert ((low <= gains) & (gains <= high)).all()
    assert 0.9 <= np.mean((low <= drawn.gain) & (drawn.gain <= high)) <= 0.99
