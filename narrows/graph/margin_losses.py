"""Margin losses, written out: torch's kernels have no second derivative, or no forward mode."""

import torch
import torch.nn.functional as F
from torch import Tensor


def multi_margin_loss(
    self: Tensor,
    target: Tensor,
    p: float = 1,
    margin: float = 1,
    weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """Return `Σ_{i≠t} w_t max(0, margin − x_t + x_i)^p / C` of each sample, as torch does.

    `self` has shape [batch, C] or [C], `target` holds the class t of each sample.

    >>> multi_margin_loss(torch.tensor([[1.0, 0.5, 3.0]]), torch.tensor([0]))  # (½ + 3) / 3
    tensor(1.1667)
    """
    chosen = self.gather(-1, target[..., None])
    loss = (margin - chosen + self).clamp_min(0) ** p
    if weight is not None:
        loss = loss * weight[target][..., None]
    others = torch.arange(self.shape[-1], device=self.device) != target[..., None]
    return _reduced((loss * others).mean(-1), reduction)


def multilabel_margin_loss(self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """Return `Σ_t Σ_{i∉T} max(0, 1 − x_t + x_i) / C` of each sample, as torch does.

    `self` has shape [batch, C] or [C]; `target`, of the same shape, holds the set T of the
    sample's classes, which a −1 ends.

    >>> x, classes = torch.tensor([[1.0, 0.5, 3.0]]), torch.tensor([[0, -1, 2]])
    >>> multilabel_margin_loss(x, classes)  # of class 0 alone: (½ + 3) / 3
    tensor(1.1667)
    """
    counts = (target < 0).cumsum(-1) == 0
    classes = torch.arange(self.shape[-1], device=self.device)
    others = ((target[..., None] != classes) | ~counts[..., None]).all(-2)
    margins = 1 - self.gather(-1, target.clamp_min(0))[..., None] + self[..., None, :]
    loss = margins.clamp_min(0) * counts[..., None] * others[..., None, :]
    return _reduced(loss.sum((-2, -1)) / self.shape[-1], reduction)


def soft_margin_loss(self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """Return `log(1 + exp(−y x))` of each output x with its target y, 1 or −1, as torch does.

    >>> soft_margin_loss(torch.zeros(2), torch.tensor([1.0, -1.0]))
    tensor(0.6931)
    """
    return _reduced(F.softplus(-target * self), reduction)


def _reduced(loss: Tensor, reduction: int) -> Tensor:
    return (loss, loss.mean(), loss.sum())[reduction]
