"""Layers whose weight or bias the program computes of parameters."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Layer = Callable[..., nn.Module]


class Standardized(nn.Conv2d):
    """A convolution with standardized filters, as BiT's and NFNet's, by a batch norm."""

    def standardized(self) -> Tensor:
        filters = self.weight.reshape(1, self.out_channels, -1)
        return F.batch_norm(filters, None, None, training=True, momentum=0.0).view_as(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.standardized(), self.bias)


class WrittenOut(Standardized):
    """The same, written out."""

    def standardized(self) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        variance = self.weight.var((1, 2, 3), keepdim=True, unbiased=False)
        return (self.weight - mean) / torch.sqrt(variance + 1e-5)


class Halved(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight / 2, self.bias)


def weight_normed(*sizes: Any, **options: Any) -> nn.Module:
    return parametrizations.weight_norm(nn.Conv2d(*sizes, **options))


def weight_normed_along_the_kernel(*sizes: Any, **options: Any) -> nn.Module:
    """Return a layer as the one of wav2vec 2.0's positions."""
    return parametrizations.weight_norm(nn.Conv2d(*sizes, **options), dim=2)


def spectral_normed(*sizes: Any, **options: Any) -> nn.Module:
    return parametrizations.spectral_norm(nn.Conv2d(*sizes, **options))


def spectral_normed_as_before(*sizes: Any, **options: Any) -> nn.Module:
    """Return a layer with torch's older form, which generative networks still use."""
    return nn.utils.spectral_norm(nn.Conv2d(*sizes, **options))


class ByVectorNorm(nn.Conv2d):
    """Weight norm, written out; its norms change where inputs are cut."""

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(self.weight, dim=(1, 2, 3), keepdim=True)
        return self._conv_forward(x, 2 * self.weight / norm, self.bias)


class Convolutions(nn.Module):
    """Convolutions of one kind: dense, depthwise and in groups."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.stem, self.dense = layer(3, 8, 1), layer(8, 12, 3, padding=1)
        self.depthwise, self.grouped = (
            layer(12, 12, 3, padding=1, groups=12), layer(12, 8, 3, padding=1, groups=2),
        )  # fmt: skip
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dense(self.stem(x).relu()).relu()
        return self.head(self.grouped(self.depthwise(x).relu()).relu())


class Blurred(nn.Module):
    """A fixed filter for each channel, as in anti-aliased networks."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1)
        self.register_buffer("filter", torch.rand(1, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        filters = self.filter.expand(x.shape[1], -1, -1, -1)
        return self.head(F.conv2d(F.pad(x, (1, 1, 1, 1)), filters, groups=x.shape[1]))


class SharedVector(nn.Module):
    """Two layers whose weights are divided by uᵀ W v, with the same u."""

    u: Tensor
    v: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Linear(5, 8, bias=False) for _ in range(2))
        self.head = nn.Linear(8, 2)
        self.register_buffer("u", torch.rand(8))
        self.register_buffer("v", torch.rand(5))

    def forward(self, x: Tensor) -> Tensor:
        first, second = (
            F.linear(x, layer.weight / torch.dot(self.u, torch.mv(layer.weight, self.v)))
            for layer in (self.first, self.second)
        )
        return self.head(torch.tanh(first) + torch.tanh(second))


class JoinedBias(nn.Module):
    """A bias of pieces: queries and values have one, and keys have none."""

    none: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(3, 9, bias=False), nn.Linear(9, 2)
        self.first, self.last = (nn.Parameter(torch.randn(3)) for _ in range(2))
        self.register_buffer("none", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        bias = torch.cat([self.first, self.none, self.last])
        return self.head(F.linear(x.mean((2, 3)), self.layer.weight, bias).relu())


EXACT: Mapping[str, Layer] = {
    "weight norm": weight_normed,
    "weight norm along the kernel": weight_normed_along_the_kernel,
    "spectral norm": spectral_normed,
    "older spectral norm": spectral_normed_as_before,
    "halved": Halved,
}
"""Layers whose weights keep their numbers when others go."""
NORMALIZED: Mapping[str, Layer] = {
    "standardized": Standardized, "written out": WrittenOut, "by vector norm": ByVectorNorm,
}  # fmt: skip
"""Layers whose weights depend on those of other input channels."""
