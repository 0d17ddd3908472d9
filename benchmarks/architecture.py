"""What determines a small network of `benchmarks.gains` but for its weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES, SIDE = 10, 8
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "leaky": F.leaky_relu,
}


@dataclass(frozen=True)
class Architecture:
    """A kind of network, its widths, and the size of kernels where it has some."""

    kind: str
    widths: tuple[int, ...]
    activation: str = "relu"
    kernel: int = 3
