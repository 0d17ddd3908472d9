"""Layers that can also run with the samples in the last dimension, for training many seeds at once.

With [channels, height, width, samples], a convolution is one product of matrices for each seed,
and `torch.vmap` over seeds makes it one batched product. With the usual layout it makes a grouped
convolution, which takes longer (`benchmarks.stacking`).
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EitherWay:
    """A module that runs with the samples first, as usual, or last."""

    samples_last: bool = False


class Conv(EitherWay, nn.Conv2d):
    """A convolution without bias, padded to keep the size that `stride` then divides."""

    def __init__(
        self, inside: int, outside: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            inside, outside, size, stride, padding=size // 2, groups=groups, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, H, W] for [N, c, h, w]; or [C, H, W, N] for [c, h, w, N]."""
        if self.samples_last:
            return conv(x, self.weight, self.stride[0], self.groups)
        return super().forward(x)


class Norm(EitherWay, nn.BatchNorm2d):
    """A batch norm that keeps no running mean and variance while samples are last."""

    def forward(self, x: Tensor) -> Tensor:
        if self.samples_last:
            flat = x.reshape(1, len(x), -1)
            return F.batch_norm(flat, None, None, self.weight, self.bias, True).reshape(x.shape)
        return super().forward(x)


def conv(x: Tensor, weight: Tensor, stride: int, groups: int) -> Tensor:
    """Return the padded convolution [C, H, W, N] of x [c, h, w, N] with a weight of odd size."""
    inside, height, width, samples = x.shape
    outside, _, size, _ = weight.shape
    rows, columns = -(-height // stride), -(-width // stride)
    patches = patches_of(x, size, stride) if size > 1 else x[:, ::stride, ::stride]
    patches = patches.reshape(groups, inside // groups * size * size, rows * columns * samples)
    result = weight.reshape(groups, outside // groups, -1) @ patches
    return result.reshape(outside, rows, columns, samples)


class Patches(torch.autograd.Function):
    """What each position of a kernel sees: [..., c, size, size, H, W, N] of x [..., c, h, w, N].

    The derivative adds to one array, where autograd would fill and add one for each position.
    """

    @staticmethod
    def forward(x: Tensor, size: int, stride: int) -> Tensor:
        pad = size // 2
        padded = F.pad(x, (0, 0, pad, pad, pad, pad))
        views = padded.unfold(-3, size, stride).unfold(-3, size, stride)
        return views.movedim((-2, -1), (-5, -4)).contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int], _: Tensor) -> None:
        x, ctx.size, ctx.stride = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return scatter(grad, ctx.shape[-3:-1], ctx.stride), None, None

    @staticmethod
    def vmap(
        _: Any, dims: tuple[int, ...], x: Tensor, size: int, stride: int
    ) -> tuple[Tensor, int]:
        return patches_of(x.movedim(dims[0], 0), size, stride), 0


def patches_of(x: Tensor, size: int, stride: int) -> Tensor:
    apply: Callable[[Tensor, int, int], Tensor] = Patches.apply
    return apply(x, size, stride)


def scatter(patches: Tensor, shape: tuple[int, int], stride: int) -> Tensor:
    """Return the sum of what patches [..., c, size, size, H, W, N] hold of each pixel."""
    size, rows, columns = patches.shape[-4:-1]
    pad = size // 2
    height, width = shape
    total = patches.new_zeros(
        *patches.shape[:-5], height + 2 * pad, width + 2 * pad, patches.shape[-1]
    )
    for i in range(size):
        for j in range(size):
            view = total[..., i : i + stride * rows : stride, j : j + stride * columns : stride, :]
            view += patches[..., i, j, :, :, :]
    return total[..., pad : pad + height, pad : pad + width, :]


def put_samples_last(network: nn.Module) -> nn.Module:
    """Let all layers of a network run with the samples last, in train mode; return it."""
    for module in network.modules():
        if isinstance(module, EitherWay):
            module.samples_last = True
    return network
