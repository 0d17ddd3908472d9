"""Losses of numbers, with a diagonal curvature: squared error, and binary cross entropy.

See docs/method.md, "Definitions".
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from narrows.losses.loss import Count, Loss, count_all, each, signs


def _mse(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs, targets, reduction="mean") * outputs.shape[0]


def _bce_with_logits(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs, targets) * outputs.shape[0]


def _count_binary(outputs: Tensor, targets: Tensor) -> Count:
    """Count samples, and the share of each whose outputs are on the right side of ½."""
    right = (outputs > 0) == (targets > 0.5)
    return Count(len(targets), right.double().reshape(len(targets), -1).mean(1).sum().item())


def _mse_curvature(outputs: Tensor) -> Tensor:
    """Return the diagonal of R: the loss is the mean over a sample's outputs."""
    return torch.full_like(outputs, 2 / outputs[0].numel())


def _bce_curvature(outputs: Tensor) -> Tensor:
    p = outputs.sigmoid()
    return p * (1 - p) / outputs[0].numel()


def _diagonal(
    value: Callable[[Tensor, Tensor], Tensor],
    curvature: Callable[[Tensor], Tensor],
    count: Callable[[Tensor, Tensor], Count],
) -> Loss:
    """Return a loss with a diagonal R: a sample's loss is a sum over its outputs."""

    def columns(outputs: Tensor, _targets: Tensor) -> Iterator[Tensor]:
        root = curvature(outputs).sqrt()
        for output in each(outputs[0]):
            yield root * output

    def draw(outputs: Tensor, _targets: Tensor, generator: Generator) -> Tensor:
        return curvature(outputs).sqrt() * signs(outputs, generator)

    return Loss(value, columns, draw, count)


MSE = _diagonal(_mse, _mse_curvature, count_all)
BCE_WITH_LOGITS = _diagonal(_bce_with_logits, _bce_curvature, _count_binary)
