"""Functions in place of kernels that lack a derivative, or need the positions of a mask."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from narrows.graph.roots import vector_norm

aten: Any = torch.ops.aten


def rrelu(self: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, **_: Any) -> Tensor:
    return F.leaky_relu(self, (lower + upper) / 2)


def aminmax(self: Tensor, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the least and the largest numbers; torch 2.11 has no forward mode of `aminmax`."""
    dims = [] if dim is None else [dim]  # [] stands for all
    return self.amin(dims, keepdim), self.amax(dims, keepdim)


def linalg_norm(
    self: Tensor,
    ord: float | None = None,  # noqa: A002
    dim: list[int] | None = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Tensor:
    return vector_norm(self, 2.0 if ord is None else ord, dim, keepdim, dtype)


def grid_sampler(
    input: Tensor,  # noqa: A002
    grid: Tensor,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,
) -> Tensor:
    """Sample an image by torch's own decomposition, which has a second derivative."""
    if input.dim() != 4:
        result: Tensor = aten.grid_sampler(
            input, grid, interpolation_mode, padding_mode, align_corners
        )
        return result
    sample = torch._decomp.decomposition_table[aten.grid_sampler_2d.default]
    sampled: Tensor = sample(input, grid, interpolation_mode, padding_mode, align_corners)
    return sampled


def copy(self: Tensor, src: Tensor, **_: Any) -> Tensor:
    return src.to(self.dtype).expand_as(self)


def fill(self: Tensor, value: Tensor) -> Tensor:
    return value.to(self.dtype).expand_as(self)


def index_put(
    self: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Write `self[mask] = number` as a choice, which needs no positions of the mask."""
    (mask, *others) = indices
    if others or mask is None or mask.dtype != torch.bool or values.numel() > 1 or accumulate:
        result: Tensor = aten.index_put(self, indices, values, accumulate)
        return result
    mask = mask.reshape(*mask.shape, *(1,) * (self.dim() - mask.dim()))
    return torch.where(mask, values.to(self.dtype).reshape(()), self)


def to(self: Tensor, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    """Convert the number type; a network's tensors are all on the device of its inputs."""
    return self if dtype is None else self.to(dtype)
