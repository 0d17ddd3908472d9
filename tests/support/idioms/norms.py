"""Norms over channels, written out as models do; and statistics over channels that are no norm."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Between(nn.Module):
    """A linear layer to 8 channels, a function of them, and a linear layer that reads its result.

    >>> Between(torch.relu)(torch.zeros(2, 6, 5)).shape
    torch.Size([2, 6, 3])
    """

    def __init__(self, function: Callable[[Tensor], Tensor], *, first: bool = False) -> None:
        super().__init__()
        self.function, self.dim = function, 1 if first else -1
        self.make, self.scale = nn.Linear(5, 8), nn.Parameter(torch.rand(8) + 0.5)
        self.read = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        made = self.make(x).movedim(-1, self.dim)
        return self.read(self.function(made).movedim(self.dim, -1) * self.scale)


def rms_norm(x: Tensor) -> Tensor:
    """Return the norm of Llama and T5, which is computed in single precision."""
    single = x.to(torch.float32)
    single = single * torch.rsqrt(single.pow(2).mean(-1, keepdim=True) + 1e-6)
    return single.to(x.dtype)


def layer_norm_first(x: Tensor) -> Tensor:
    """Return ConvNeXt's norm of channels that come first."""
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-6)


def response_norm(x: Tensor) -> Tensor:
    """Return ConvNeXt V2's global response norm of [batch, tokens, channels]."""
    size = x.norm(p=2, dim=1, keepdim=True)
    return x + x * (size / (size.mean(-1, keepdim=True) + 1e-6))


def normal(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, -1, keepdim=True, correction=0)
    return (x - mean) * torch.rsqrt(variance + 1e-6)


NORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "rms norm in single precision": rms_norm,
    "rms norm by square": lambda x: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6),
    "rms norm by product": lambda x: x / ((x * x).mean(-1, True) + 1e-6).sqrt(),
    "rms norm by power": lambda x: x * (x.pow(2).mean(-1, keepdim=True) + 1e-6) ** -0.5,
    "layer norm by std": lambda x: (x - x.mean(-1, True)) / (x.std(-1, keepdim=True) + 1e-6),
    "layer norm by var": lambda x: (
        (x - x.mean(-1, True)) / (x.var(-1, False, keepdim=True) + 1e-6).sqrt()
    ),
    "layer norm by var_mean": normal,
    "layer norm by moments": lambda x: (
        (x - x.mean(-1, True)) * (x.pow(2).mean(-1, True) - x.mean(-1, True).pow(2) + 1e-6).rsqrt()
    ),
    "global response norm": response_norm,
}
"""Norms of [..., channels], whose statistics change when a channel goes."""

EXACT: Mapping[str, Callable[[Tensor], Tensor]] = {
    "normalize": lambda x: F.normalize(x, dim=-1),
    "norm of vectors": lambda x: x / torch.linalg.norm(x, dim=-1, keepdim=True),
    "norm of no degree": lambda x: x / torch.linalg.norm(x, ord=None, dim=[-1], keepdim=True),
    "norm of degree three": lambda x: x / torch.linalg.norm(x, ord=3, dim=-1, keepdim=True),
    "rms norm by vector norm": lambda x: x / (x.norm(dim=-1, keepdim=True) * 8**-0.5 + 1e-6),
    "l1": lambda x: x / x.abs().sum(-1, keepdim=True),
}
"""Norms by sums, in which a channel that goes is a channel at zero."""

NO_NORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gate by the mean": lambda x: x * x.mean(-1, keepdim=True).sigmoid(),
    "product with the mean": lambda x: x * x.mean(-1, keepdim=True),
    "sum with the mean": lambda x: x + x.mean(-1, keepdim=True),
    "pooled": lambda x: x.relu() + x.mean(-1, keepdim=True).expand_as(x).tanh(),
    "inverse": lambda x: x.mean(-1, keepdim=True) / (x.square() + 1),
    "largest": lambda x: x / x.abs().amax(-1, keepdim=True),
}
"""Functions whose meaning would change with the number of channels."""
