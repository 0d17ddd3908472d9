"""An export that computes something else than the module is noticed."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows import analyze
from narrows.graph.exported_outputs import outputs_of
from narrows.graph.trace_errors import TraceError


class WeightedL1(nn.Module):
    """torch.export drops the weight of `l1_loss` (2.13)."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        self.register_buffer("weight", torch.tensor([1.0, 2.0, 5.0]))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        weight = self.weight.expand_as(y)
        return F.l1_loss(self.body(x), y, weight=weight)  # type: ignore[call-arg]  # not in stubs


def test_a_weight_that_is_dropped_is_noticed() -> None:
    data = [(torch.randn(8, 4), torch.randn(8, 3)) for _ in range(3)]
    with pytest.raises(TraceError, match="something else than the network"):
        analyze(WeightedL1(), data, loss="model", progress=False)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls, self.linear = 0, nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.linear(x)


def test_what_the_module_counts_stays() -> None:
    module = Counting().train()
    outputs_of(module, (torch.zeros(1, 2),))
    assert (module.calls, module.training) == (0, True)
