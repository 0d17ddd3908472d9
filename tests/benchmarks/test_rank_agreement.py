"""How scores are held against gains, where the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rank_agreement import (
    agreement,
    bootstrap_error,
    chosen_on_others,
    spearman,
    split_half,
    stepped_up,
)

GAINS = np.array([0.1, 0.4, 0.3, 0.2])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0, 4.0, 3.0, 2.0], (1.0, 1.0, 1.0)),
        ([4.0, 1.0, 2.0, 3.0], (-1.0, 0.0, 0.0)),
        ([1.0, 3.0, 4.0, 2.0], (0.8, 1.0, 0.0)),  # 1 − 6 Σd² / (n (n² − 1)), Σd² = 2
        ([7.0, 7.0, 7.0, 7.0], (0.0, 0.5, 0.25)),  # it says nothing: what chance gets
    ],
)
def test_agreement(scores: list[float], expected: tuple[float, float, float]) -> None:
    found = agreement(np.array(scores), GAINS, uniform=0.35)
    assert (found.correlation, found.in_two_best, found.beats_uniform) == pytest.approx(expected)


def test_ties_have_their_mean_rank() -> None:
    """Pearson's correlation of the ranks (1.5, 1.5, 3) and (1, 2, 3)."""
    found = spearman(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx(np.sqrt(3) / 2)


@given(st.permutations(range(5)))
def test_only_order_matters(order: list[int]) -> None:
    scores, gains = np.array(order, float), np.arange(5.0)
    assert spearman(np.exp(scores), gains) == pytest.approx(spearman(scores, gains))


def test_gains_without_noise_are_reliable() -> None:
    """An effect of the seed on all variants is no noise: it does not change their order."""
    gains = GAINS + np.array([[0.0], [5.0], [-3.0], [1.0]])
    assert split_half(gains) == pytest.approx(1)


def test_gains_of_noise_alone_are_not_reliable() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 20, 4))
    assert abs(np.mean([split_half(gains) for gains in noise])) < 0.1


def test_opposite_halves() -> None:
    assert split_half(np.array([GAINS, -GAINS])) == pytest.approx(-1)
    assert np.isnan(split_half(GAINS[None]))


def test_spearman_brown() -> None:
    """The mean of two halves that correlate by r has the variance (1 + r) / 2, with r true."""
    assert stepped_up(0.6) == pytest.approx(0.6 / ((1 + 0.6) / 2))
    assert stepped_up(1) == 1


def test_bootstrap_error_is_that_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(size=400)
    assert bootstrap_error(values) == pytest.approx(values.std() / 20, rel=0.1)
    assert bootstrap_error(np.full(5, 0.3)) == pytest.approx(0)


def test_the_left_out_kind_has_no_say() -> None:
    kinds = ["a", "b", "b", "c"]
    values = np.array([[1.0, 0.2, 0.2, 0.2], [0.0, 0.5, 0.5, 0.3]])
    found, choices = chosen_on_others(values, kinds)
    assert choices == {"a": 1, "b": 0, "c": 0}  # c: means 1.4 / 3 and 1.0 / 3
    np.testing.assert_array_equal(found, [0.0, 0.2, 0.2, 0.2])
