"""Norms of vectors and standard deviations, with derivatives of 0 at zero rather than NaN."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten: Any = torch.ops.aten


def _root(power: Tensor, degree: float = 2.0) -> Tensor:
    """Return the root, with all derivatives 0 at zero; torch's norms have that for the first.

    Torch's own second derivative there is NaN, and a single dead sample would make all sums NaN.
    """
    nothing = power == 0
    return power.masked_fill(nothing, 1.0).pow(1 / degree).masked_fill(nothing, 0.0)


def vector_norm(
    self: Tensor,
    ord: float = 2.0,  # noqa: A002
    dim: list[int] | None = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the norm `(Σ |x|^ord)^(1/ord)` over `dim`, or over everything.

    >>> vector_norm(torch.tensor([3.0, 4.0]))  # √(9 + 16)
    tensor(5.)
    """
    if 1 < ord < math.inf:
        return _root(self.abs().pow(ord).sum(dim, keepdim, dtype=dtype), ord)
    result: Tensor = aten.linalg_vector_norm(self, ord, dim, keepdim, dtype=dtype)
    return result


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Return `g v / ‖v‖`: `v` with the norm `g` for each index along `dim` (−1: for all of `v`).

    Salimans and Kingma, "Weight Normalization", 2016.

    >>> weight_norm(torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0]]))  # 10 · (3, 4) / 5
    tensor([[6., 8.]])
    """
    return v * (g / _norm_but_along(v, dim))


def weight_norm_interface(v: Tensor, g: Tensor, dim: int = 0) -> tuple[Tensor, Tensor]:
    """Return `g v / ‖v‖` and `‖v‖`, as `weight_norm` has them.

    >>> weight_norm_interface(torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0]]))
    (tensor([[6., 8.]]), tensor([[5.]]))
    """
    norm = _norm_but_along(v, dim)
    return v * (g / norm), norm


def _norm_but_along(v: Tensor, dim: int) -> Tensor:
    return vector_norm(v, dim=[d for d in range(v.dim()) if d != dim], keepdim=True)


def deviation(variance: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the function `√variance(…)`, for `std` and its overloads.

    >>> std = deviation(aten.var.correction)
    >>> std(self=torch.tensor([1.0, 5.0]), dim=[0], correction=0)  # √((2² + 2²) / 2)
    tensor(2.)
    """
    return lambda **arguments: _root(variance(**arguments))
