"""Every operator's derivative, and the derivative of that, against torch's double backward."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from worker.sosp import dual_numbers, operators
from worker.sosp.dual_numbers import Dual

Arguments = dict[str, Any]


def x(*shape: int) -> Tensor:
    """Return random numbers away from the kinks and poles at integers."""
    values = torch.rand(*shape, dtype=torch.float64) * 0.8 + 0.1
    return values + torch.randint(-2, 2, shape)


def positive(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64) + 0.1


def fixed(*shape: int) -> Callable[[], Tensor]:
    """Wrap what does not vary, as weights and masks."""
    return lambda: positive(*shape)


def unary(*names: str, of: Callable[..., Tensor] = x, **options: Any) -> dict[str, Any]:
    return {name: lambda: {"self": of(2, 4, 3), **options} for name in names}


def image(*names: str, **options: Any) -> dict[str, Any]:
    return {name: lambda: {"self": x(2, 4, 6, 6), **options} for name in names}


CASES: dict[str, Callable[[], Arguments]] = {
    **unary(*"abs alias asin atan celu clone contiguous cos cosh detach elu erf exp expm1 gelu".split()),
}
