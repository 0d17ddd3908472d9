"""Ranking and verdicts on numbers whose answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from tests.exporting import randomized, read_back
from worker.sosp import ranking
from worker.sosp.channels import Channels, find_channels
from worker.sosp.network import Network
from worker.sosp.shapes import trace_shapes
from worker.sosp.sosp_h import Terms
from worker.sosp.verdict import judge

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


def terms(levels: tuple[float, ...], noise: float = 0.0, batches: int = 20) -> Terms:
    """Terms whose saliencies lie around `levels`, a level a layer, and vary between batches."""
    rng = np.random.default_rng(0)
    base = np.concatenate(
        [level + rng.random(width) for level, width in zip(levels, WIDTHS, strict=True)]
    )
    first = base + noise * rng.standard_normal((batches, sum(WIDTHS)))
    return Terms(64 * first, np.zeros_like(first), np.ones(batches), np.full(batches, 64))


def test_the_layer_of_the_highest_saliencies_is_the_bottleneck(channels: Channels) -> None:
    verdicts = judge(channels, terms((1.0, 3.0, 1.0)), ratio=0.5)
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
    verdicts = judge(channels, terms((1.0, 1.0, 1.0)), ratio=0.5)
    assert {v.verdict for v in verdicts.values()} == {"balanced", "not_prunable"}


def test_a_layer_far_below_all_others_is_redundant(channels: Channels) -> None:
    verdicts = judge(channels, terms((3.0, 3.5, 1.0)), ratio=0.5)
    assert verdicts["5"].verdict == "redundant"
    assert verdicts["5"].pruning_ratio == 1.0


def test_what_the_batches_leave_open_is_not_called_a_bottleneck(channels: Channels) -> None:
    verdict = judge(channels, terms((1.0, 1.6, 1.0), noise=20.0), ratio=0.5)["2"]
    assert verdict.verdict != "bottleneck"
    assert verdict.interval is not None
    assert verdict.interval[1] - verdict.interval[0] > 0.2


def test_the_same_seed_gives_the_same_verdicts(channels: Channels) -> None:
    noisy = terms((1.0, 1.6, 1.0), noise=1.0)
    assert judge(channels, noisy, 0.5, seed=3) == judge(channels, noisy, 0.5, seed=3)


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)))
def test_ranks_are_a_permutation_in_the_order_of_saliency(saliency: np.ndarray) -> None:
    places = ranking.ranks(saliency)
    assert sorted(places) == list(range(len(saliency)))
    assert (np.diff(saliency[np.argsort(places)]) >= 0).all()


@given(arrays(np.float64, 40, elements=st.floats(0, 1)), st.floats(0.01, 0.99))
def test_the_layers_ratios_add_up_to_the_global_ratio(saliency: np.ndarray, ratio: float) -> None:
    places = ranking.ranks(saliency)
    layers = np.split(np.arange(40), [5, 17])
    removed = sum(ranking.pruning_ratio(places, own, ratio) * len(own) for own in layers)
    assert round(removed) == ranking.removals(40, ratio)
