"""Loss functions, summed over the samples of a batch, and their curvature along the outputs.

`R_n`, the Hessian of sample n's loss along the outputs, comes as a factor: `R_n = Σ_k c_k c_kᵀ`
over exact columns, or `R_n = E[c cᵀ]` of columns drawn at random, one a sample.

>>> import torch
>>> LOSSES["cross_entropy"](torch.zeros(1, 4), torch.tensor([2]))  # p = ¼: log 4
tensor(1.3863)
>>> LOSSES["bce_with_logits"](torch.zeros(2, 1), torch.ones(2, 1))  # log 2 for each of two samples
tensor(1.3863)

See docs/method.md, "Definitions" and "Gates".
"""

from collections.abc import Mapping

from torch import Tensor

from narrows.losses.classes import CROSS_ENTROPY, NLL, class_dim
from narrows.losses.loss import IGNORED, Count, Loss, LossFunction
from narrows.losses.numbers import BCE_WITH_LOGITS, MSE

__all__ = [
    "CLASS_LOSSES", "IGNORED", "LOSSES", "Count", "Loss", "LossFunction", "class_dim",
]  # fmt: skip


def _model(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss that the program computed: its batch's mean, or one for each sample."""
    return outputs.sum() if outputs.dim() else outputs * len(targets)


LOSSES: Mapping[str, Loss] = {
    "cross_entropy": CROSS_ENTROPY,
    "nll": NLL,
    "mse": MSE,
    "bce_with_logits": BCE_WITH_LOGITS,
    "model": Loss(_model, by_program=True),
}
"""The losses by the name that a request gives them."""

CLASS_LOSSES = frozenset({"cross_entropy", "nll"})
"""The losses whose targets are class numbers."""
