"""Loss functions, summed over the samples of a batch, and what targets each of them takes."""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs [batch, …], targets) → scalar: the sum over the batch of each sample's mean loss."""


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets, reduction="sum") * outputs.shape[0] / targets.numel()


def _nll(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.nll_loss(outputs, targets, reduction="sum") * outputs.shape[0] / targets.numel()


def _mse(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs, targets, reduction="mean") * outputs.shape[0]


def _bce_with_logits(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs, targets) * outputs.shape[0]


LOSSES: Mapping[str, Loss] = {
    "cross_entropy": _cross_entropy,
    "nll": _nll,
    "mse": _mse,
    "bce_with_logits": _bce_with_logits,
}
"""The losses by the name that a request gives them."""

CLASS_LOSSES = frozenset({"cross_entropy", "nll"})
"""The losses whose targets are class numbers along the outputs' second dimension."""
