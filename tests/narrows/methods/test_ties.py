"""Equal saliencies are equal evidence: no statistic depends on where a channel stands."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from torch import Tensor, nn

from narrows import analyze
from narrows.methods import joint, obs, sosp_i, ties
from narrows.methods.criterion import MethodOptions
from narrows.methods.partial_sums import Averages, NothingMeasuredError
from narrows.methods.ranking import ranked
from narrows.vocabulary import MethodName

FEW_LEVELS = arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([0.0, 1.0, 2.0, 3.0]))


@given(FEW_LEVELS)
def test_equals_share_their_mean_rank(saliency: np.ndarray) -> None:
    np.testing.assert_allclose(ranked(saliency).mean_rank, stats.rankdata(saliency) - 1)


@given(FEW_LEVELS, st.integers(0, 5))
def test_rounding_does_not_part_equals(saliency: np.ndarray, seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-1, 1, len(saliency))
    noisy = saliency + ties.EPSILON * saliency.max() * noise / 2
    np.testing.assert_array_equal(ranked(noisy).mean_rank, ranked(saliency).mean_rank)


def test_the_seed_draws_who_of_equals_goes_first() -> None:
    saliency = np.zeros(50)
    ranks = [ranked(saliency, seed=seed).rank for seed in range(200)]
    assert sorted(ranks[0]) == list(range(50))
    assert np.abs(np.mean(ranks, 0) - 24.5).max() < 4  # each place is as likely for all
    np.testing.assert_array_equal(ranks[3], ranked(saliency, seed=3).rank)


@pytest.mark.parametrize("order", [sosp_i.order, joint.order, obs.order])
@pytest.mark.parametrize("blocks", [None, 4])
def test_greedy_orders_treat_equals_alike(order: object, blocks: int | None) -> None:
    """Twelve structures without any influence, and four with one each."""
    factor = np.zeros((4, 16))
    factor[:, 3:7] = np.diag([1.0, 2.0, 3.0, 4.0])
    averages = Averages(0.0, {"first": np.zeros(16)}, factor)
    found = order(averages, 1.0, MethodOptions(blocks=blocks, seed=1))  # type: ignore[operator]
    dead = np.delete(np.arange(16), range(3, 7))
    np.testing.assert_array_equal(found.mean_rank[dead], 5.5)
    assert sorted(found.rank[dead]) == list(range(12))
    assert found.rank[dead].tolist() != list(range(12))


class Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(8, 6), nn.Linear(6, 8)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(torch.relu(self.inner(x)))


class Net(nn.Module):
    """Dead branches behind a layer that works, with targets that its own outputs give."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.branches = nn.Linear(4, 8), nn.Sequential(*(Branch() for _ in range(8)))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return 5 * self.head(self.branches(torch.relu(self.stem(x))))


@pytest.mark.parametrize("method", get_args(MethodName))
def test_dead_branches_are_one_case(method: MethodName) -> None:
    net, x = Net().eval(), torch.randn(256, 4)
    data = [(part, net(part).argmax(1)) for part in torch.split(x, 32)]
    found = analyze(net, data, method=method, progress=False)
    assert found.doubt is None
    verdicts = [found.verdicts[f"branches.{i}.inner"] for i in range(8)]
    if method.startswith("magnitude"):  # their weights are not 0
        return
    assert {verdict.verdict for verdict in verdicts} == {"redundant"}
    assert len({verdict.score for verdict in verdicts}) == 1
    assert "none of its channels changes the loss" in str(verdicts[0].because)


def test_where_nothing_is_measured_there_is_no_answer() -> None:
    net, x = Net().eval(), torch.randn(64, 4)
    ignored = [(part, torch.full((16,), -100)) for part in torch.split(x, 16)]
    with pytest.raises(NothingMeasuredError, match="no target counts"):
        analyze(net, ignored, progress=False)
    nn.init.zeros_(net.head.weight)
    with pytest.raises(NothingMeasuredError, match="every saliency is 0"):
        analyze(net, [(part, net(part).argmax(1)) for part in torch.split(x, 8)], progress=False)
