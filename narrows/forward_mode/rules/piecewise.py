"""Piecewise linear operators: tangents pass where the slope is one."""

from typing import Any

import torch
import torch.nn.functional as F

from narrows.forward_mode.dual import (
    Arguments,
    Dual,
)
from narrows.forward_mode.rules.registry import for_value, rule


@rule("relu")
def _relu(_: str, arguments: Arguments) -> Any:
    both = arguments["self"].both
    return Dual(both * (both[0] > 0))


@rule("relu6", "hardtanh")
def _clamped(op: str, arguments: Arguments) -> Any:
    both = arguments["self"].both
    low, high = (0.0, 6.0) if op == "relu6" else (-1.0, 1.0)
    low, high = arguments.get("min_val", low), arguments.get("max_val", high)
    value = both[0].detach()
    inside = (value > low) & (value < high)
    outside = value.clamp(low, high) * ~inside
    return Dual(both * inside + for_value(outside))


@rule("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(op: str, arguments: Arguments) -> Any:
    """Take value and tangent at the index of the largest value."""
    both, rank = arguments["self"].both, int(op[8])
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[rank]
    options = {name: value for name, value in arguments.items() if name != "self"}
    with torch.no_grad():
        largest = pool(both[0], **options, return_indices=True)[1]
    index = largest.flatten(-rank).expand(2, *[-1] * (largest.dim() - rank + 1))
    return Dual(both.flatten(-rank).gather(-1, index).unflatten(-1, largest.shape[-rank:]))
