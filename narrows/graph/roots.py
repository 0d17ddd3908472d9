"""Norms of vectors and deviations, whose derivatives at zero are 0 rather than NaN."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten: Any = torch.ops.aten


def _root(power: Tensor, degree: float = 2.0) -> Tensor:
    """Return the root, all of whose derivatives at zero are 0, as torch's norms have the first.

    Torch's own second derivative there is NaN, and one dead sample would make everything NaN.
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
    if 1 < ord < math.inf:
        return _root(self.abs().pow(ord).sum(dim, keepdim, dtype=dtype), ord)
    result: Tensor = aten.linalg_vector_norm(self, ord, dim, keepdim, dtype=dtype)
    return result


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Return `v` with the norm `g` of every index along `dim` (-1: of all of it)."""
    return v * (g / _norm_but_along(v, dim))


def weight_norm_interface(v: Tensor, g: Tensor, dim: int = 0) -> tuple[Tensor, Tensor]:
    norm = _norm_but_along(v, dim)
    return v * (g / norm), norm


def _norm_but_along(v: Tensor, dim: int) -> Tensor:
    return vector_norm(v, dim=[d for d in range(v.dim()) if d != dim], keepdim=True)


def deviation(variance: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda **arguments: _root(variance(**arguments))
