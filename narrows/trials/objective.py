"""What training minimizes: the mean loss of a batch, of classes perhaps with smoothed labels."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from narrows.losses import IGNORED, Loss, class_dim


@dataclass(frozen=True)
class Objective:
    """The loss, divided by the samples that count; `smoothing` is the share of all other classes.

    >>> import torch
    >>> from narrows.losses import LOSSES
    >>> outputs, targets = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    >>> objective = Objective(LOSSES["cross_entropy"], smoothing=0.2)
    >>> expected = F.cross_entropy(outputs, targets, label_smoothing=0.2)
    >>> torch.allclose(objective(outputs, targets), expected)
    True
    """

    loss: Loss
    smoothing: float = 0.0

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the batch; 0 where no sample counts."""
        if self.smoothing:
            return self._smoothed(outputs, targets)
        counted = self.loss.count(outputs.detach(), targets).counted
        return self.loss(outputs, targets) / (counted or 1)

    def _smoothed(self, outputs: Tensor, targets: Tensor) -> Tensor:
        dim = class_dim(tuple(outputs.shape), tuple(targets.shape))
        scores = outputs if dim is None else outputs.movedim(dim, 1)
        total = F.cross_entropy(scores, targets, label_smoothing=self.smoothing, reduction="sum")
        return total / max(1, int((targets != IGNORED).sum()))
