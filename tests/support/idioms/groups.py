"""Convolutions and norms in groups that are heads, or parts of heads."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

WIDTH = 4
"""The channels of the queries, keys or values of a head."""


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return the mean of v weighted by relu(q)·relu(k); all are [batch, heads, tokens, width]."""
    q, k, v = q.relu(), k.relu(), F.pad(v, (0, 1), value=1.0)
    mixed = q @ (k.transpose(-1, -2) @ v)
    return mixed[..., :-1] / (mixed[..., -1:] + 1e-5)


Aggregate = Callable[[int], nn.Module]
"""Makes of the number of heads what maps queries, keys and values to others of these."""


class Scales(nn.Module):
    """Linear attention of pixels, and of what a convolution in groups makes of their neighbours.

    As EfficientViT's: the channels are [heads, 3, width], and each group has the queries, the keys
    or the values of one head. With `across` the channels are [3, heads, width].
    """

    def __init__(self, width: int, aggregate: Aggregate, heads: int, across: bool = False) -> None:
        super().__init__()
        self.count, self.across, self.aggregate = heads, across, aggregate(heads)
        self.qkv = nn.Conv2d(width, 3 * heads * WIDTH, 1)
        self.proj = nn.Conv2d(2 * heads * WIDTH, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        qkv = self.qkv(x)
        scales = [qkv, self.aggregate(qkv)]
        if self.across:
            q, k, v = (torch.cat(parts, 1) for parts in zip(*map(self.parts, scales), strict=True))
        else:
            joined = torch.cat(scales, 1).reshape(batch, -1, 3 * WIDTH, height * width)
            q, k, v = joined.transpose(-1, -2).chunk(3, -1)
        mixed = linear_attention(q, k, v).transpose(-1, -2).reshape(batch, -1, height, width)
        return self.proj(mixed)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values [batch, heads, tokens, width]."""
        parts = x.flatten(2).reshape(x.shape[0], 3, self.count, WIDTH, -1).transpose(-1, -2)
        q, k, v = parts.unbind(1)
        return q, k, v


class MultiScale(Scales):
    """Such attention beside a residual stream of eight channels."""

    def __init__(self, aggregate: Aggregate, heads: int = 3, *, across: bool = False) -> None:
        super().__init__(8, aggregate, heads, across)
        self.embed, self.norm, self.head = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head((x + self.norm(super().forward(x))).mean((2, 3)))


def depthwise(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels)


def grouped(channels: int, groups: int, outside: int = 0) -> nn.Module:
    return nn.Conv2d(channels, outside or channels, 1, groups=groups)


def as_efficientvit(heads: int) -> nn.Module:
    return nn.Sequential(depthwise(3 * heads * WIDTH), grouped(3 * heads * WIDTH, 3 * heads))


def two_groups_each(heads: int) -> nn.Module:
    return grouped(3 * heads * WIDTH, 6 * heads)


def in_a_row(heads: int) -> nn.Module:
    """Convolutions with different numbers of groups; other layers read nothing in between."""
    channels = 3 * heads * WIDTH
    return nn.Sequential(
        grouped(channels, 3 * heads, 6 * heads), nn.ReLU(), grouped(6 * heads, 3 * heads, channels)
    )


def normed(heads: int) -> nn.Module:
    return nn.Sequential(
        as_efficientvit(heads), nn.GroupNorm(3 * heads, 3 * heads * WIDTH), nn.SiLU()
    )


def weight_normed(heads: int) -> nn.Module:
    return weight_norm(grouped(3 * heads * WIDTH, 3 * heads))


def transposed(heads: int) -> nn.Module:
    channels = 3 * heads * WIDTH
    made = nn.ConvTranspose2d(channels, channels, 1, groups=3 * heads)
    return nn.Sequential(depthwise(channels), made)


class Twice(nn.Module):
    """A convolution in groups that is called twice."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.conv = grouped(3 * heads * WIDTH, 3 * heads)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.conv(x).tanh())


class Standardized(nn.Module):
    """A convolution in groups whose weight is standardized."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.groups = 3 * heads
        self.weight = nn.Parameter(torch.randn(3 * heads * WIDTH, WIDTH, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        centred = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        scale = self.weight.std((1, 2, 3), keepdim=True) + 1e-5
        return F.conv2d(x, centred / scale, groups=self.groups)


AGGREGATES: Mapping[str, Aggregate] = {
    "as EfficientViT's": as_efficientvit,
    "two groups each": two_groups_each,
    "in a row": in_a_row,
    "normed": normed,
    "weight norm": weight_normed,
    "twice": Twice,
    "standardized": Standardized,
}
WHOLE_HEADS: Mapping[str, Aggregate] = {
    "a group for each head": lambda heads: grouped(3 * heads * WIDTH, heads),
    "different groups in a row": lambda heads: nn.Sequential(
        grouped(3 * heads * WIDTH, 3 * heads, 6 * heads),
        grouped(6 * heads, heads, 3 * heads * WIDTH),
    ),
    "a norm for each head": lambda heads: nn.Sequential(
        as_efficientvit(heads), nn.GroupNorm(heads, 3 * heads * WIDTH)
    ),
}
"""Groups that have queries, keys and values of a head: they must be neighbours."""


class Heads(nn.Module):
    """Attention whose queries, keys and values, and what reads its result, are in groups.

    `inner` is the width of a layer in front that other layers do not read; without it they read a
    residual stream. As SqueezeBERT's.
    """

    def __init__(self, heads: int, groups: int, inner: int = 0) -> None:
        super().__init__()
        self.count = heads
        self.embed = nn.Conv1d(5, 12, 1)
        self.inner = nn.Conv1d(12, inner, 1) if inner else nn.Identity()
        self.q, self.k, self.v = (nn.Conv1d(inner or 12, 12, 1, groups=groups) for _ in range(3))
        self.out, self.head = nn.Conv1d(12, 12, 1, groups=1 if inner else groups), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x.transpose(1, 2))
        y = self.inner(x)
        q, k, v = (
            layer(y).view(x.shape[0], self.count, -1, x.shape[-1]).transpose(2, 3)
            for layer in (self.q, self.k, self.v)
        )
        mixed = (q @ k.transpose(2, 3)).softmax(-1) @ v
        return self.head((x + self.out(mixed.transpose(2, 3).reshape(x.shape))).mean(2))


class AlsoDense(MultiScale):
    """The weight of the convolution in groups is also that of a layer that reads other channels."""

    def __init__(self) -> None:
        super().__init__(lambda heads: grouped(3 * heads * WIDTH, 3 * heads))
        self.narrow = nn.Conv2d(3, WIDTH, 1)
        self.wide = nn.Conv2d(3 * 3 * WIDTH, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.aggregate.weight
        assert isinstance(weight, Tensor)
        other = F.conv2d(self.narrow(x).tanh(), weight)
        return super().forward(x) + self.wide(other).mean((2, 3))


class OneForEach(nn.Module):
    """Each group makes one number, of channels that a single layer makes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.last = nn.Conv2d(3, 12, 1), nn.Conv2d(12, 3, 1, groups=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.embed(x).tanh()).mean((2, 3))


class HeadsAtTheEnd(Heads):
    """The heads are the network's outputs, so they stay; the layer in front may lose positions."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(self.embed(x.transpose(1, 2)))
        q, k, v = (
            layer(y).view(x.shape[0], self.count, -1, x.shape[1]).transpose(2, 3)
            for layer in (self.q, self.k, self.v)
        )
        return (q @ k.transpose(2, 3)).softmax(-1) @ v


class OneSample(nn.Module):
    """A convolution in four groups of a single image of six rows, which has no batch."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.conv = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1, groups=4)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(x * self.conv(x.mean(0))).mean((2, 3))
