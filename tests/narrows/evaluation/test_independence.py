"""Whether one sample's output moves with another's input is found out by computing."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows import analyze
from narrows.batch import Batch
from narrows.evaluation.independence import DependentSamplesError, require_independent_samples
from narrows.evaluation.log_probabilities import NotLogProbabilitiesError
from narrows.graph.from_export import as_network


class BatchStatistics(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(6, 12), nn.BatchNorm1d(12, track_running_stats=False)
        self.second = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.norm(self.first(x))))


class Centred(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 12), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.second(torch.relu(h - h.mean(0)))


class InBatchAttention(Centred):
    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.second(torch.softmax(h @ h.T, -1) @ h)


class Normalized(Centred):
    """Each sample is normalized by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.layer_norm(self.first(x), (12,)))


class Flattened(Centred):
    """Tokens stand where samples do: its outputs are [batch · tokens, classes]."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)).flatten(0, 1)


class Loss(nn.Module):
    def __init__(self, body: nn.Module, **options: object) -> None:
        super().__init__()
        self.body, self.options = body, options

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.body(x), y, **self.options)  # type: ignore[arg-type]


def check(module: nn.Module, *shape: int, scalar: bool = False) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(8, *shape), torch.arange(8) % 4
    inputs = (x, y) if scalar else (x,)
    network = as_network(module.eval(), inputs)
    require_independent_samples(network, Batch(inputs, y), scalar=scalar)


@pytest.mark.parametrize("kind", [BatchStatistics, Centred, InBatchAttention])
def test_samples_that_influence_each_other_are_refused(kind: type[nn.Module]) -> None:
    with pytest.raises(DependentSamplesError, match="influence each other"):
        check(kind(), 6)
    with pytest.raises(DependentSamplesError):
        check(Loss(kind()), 6, scalar=True)
    data = [(torch.randn(16, 6), torch.randint(4, (16,)))]
    for method in ("exact", "sosp_h", "sosp_i", "magnitude"):
        with pytest.raises(DependentSamplesError):
            analyze(kind(), data, method=method, progress=False)


def test_samples_that_do_not_are_taken() -> None:
    check(Normalized(), 6)
    check(Flattened(), 5, 6)
    for reduction in ("mean", "none"):
        check(Loss(Normalized(), reduction=reduction), 6, scalar=True)
    check(Loss(Normalized(), weight=torch.tensor([1.0, 5.0, 0.5, 2.0])), 6, scalar=True)
    check(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)), 6)


def test_a_program_that_returns_the_sum_is_refused() -> None:
    with pytest.raises(ValueError, match="grows with the batch"):
        check(Loss(Normalized(), reduction="sum"), 6, scalar=True)


def test_nll_of_logits_is_refused() -> None:
    net, data = Normalized(), [(torch.randn(16, 6), torch.randint(4, (16,)))] * 2
    with pytest.raises(NotLogProbabilitiesError, match="choose the loss cross_entropy"):
        analyze(net, data, loss="nll", progress=False)
    analyze(nn.Sequential(net, nn.LogSoftmax(1)), data, loss="nll", progress=False)
