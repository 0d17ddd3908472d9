"""Pools of the largest value: value and tangent are taken at its index."""

from typing import Any

import torch
import torch.nn.functional as F

from narrows.forward_mode.dual import (
    Arguments,
    Dual,
)
from narrows.forward_mode.rules.registry import rule


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
