"""The edges between layers, on networks with a shortcut, branches, attention and tied weights."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from narrows.channels.flow import Flow, flows
from narrows.channels.groups import find_channels
from narrows.graph.from_export import as_network
from narrows.graph.shapes import trace_shapes


class Net(nn.Module):
    """Four layers of one width, put together by a function."""

    def __init__(self, together: Callable[..., Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
        self.together = together

    def forward(self, x: Tensor) -> Tensor:
        return self.together(x, self.a, self.b, self.c, self.d)


def edges(together: Callable[..., Tensor]) -> dict[str, Flow]:
    network = as_network(Net(together), (torch.randn(3, 4),))
    return flows(network, find_channels(network, trace_shapes(network)))


def residual(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module, d: nn.Module) -> Tensor:
    stream = a(x)
    stream = stream + b(stream).relu()
    stream = stream + c(stream).relu()
    return d(stream)


def branches(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module, d: nn.Module) -> Tensor:
    return d(a(x).relu() + b(x).relu()) + c(x)


def gated(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module, d: nn.Module) -> Tensor:
    value = a(x)
    return d(value * c(b(value).relu()).sigmoid() + value.size(0))


def tied(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module, d: nn.Module) -> Tensor:
    return d(c(a(b(a(x)).relu()).relu()).relu())


@pytest.mark.parametrize(
    ("together", "expected"),
    [
        (residual, {"a": ("", ""), "b": ("a", "a"), "c": ("b", "b"), "d": ("c", "")}),
        (branches, {"a": ("", ""), "b": ("", "a"), "d": ("b", ""), "c": ("", "d")}),
        (gated, {"a": ("", ""), "b": ("a", ""), "c": ("b", "a"), "d": ("c", "")}),
        (tied, {"a": ("b", ""), "b": ("a", ""), "c": ("a", ""), "d": ("c", "")}),
    ],
)
def test_edges(together: Callable[..., Tensor], expected: dict[str, tuple[str, str]]) -> None:
    found = {
        name: (" ".join(flow.inputs), " ".join(flow.joins))
        for name, flow in edges(together).items()
    }
    assert found == expected
