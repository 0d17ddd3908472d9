"""The loss `nll` takes log-probabilities; of other outputs it is no loss at all."""

from torch import Tensor

from narrows.losses import class_dim

TOLERANCE = 0.01
"""How far the probabilities of a target may be from 1 in all."""


class NotLogProbabilitiesError(ValueError):
    """The outputs are no log-probabilities."""

    def __init__(self, total: float) -> None:
        super().__init__(
            "the loss nll takes log-probabilities, such as log_softmax gives, but the "
            f"probabilities of a sample add up to {total:.3g}, not 1; for logits choose the loss "
            "cross_entropy"
        )


def require_log_probabilities(outputs: Tensor, targets: Tensor) -> None:
    """Raise NotLogProbabilitiesError unless the outputs, [batch, classes, …], are such.

    >>> import torch
    >>> require_log_probabilities(torch.zeros(1, 4).log_softmax(1), torch.zeros(1))
    >>> require_log_probabilities(torch.zeros(1, 4), torch.zeros(1))
    Traceback (most recent call last):
    narrows.evaluation.log_probabilities.NotLogProbabilitiesError: the loss nll takes ...
    """
    dim = class_dim(tuple(outputs.shape), tuple(targets.shape))
    totals = outputs.double().logsumexp(1 if dim is None else dim).exp()
    worst = totals.flatten()[(totals - 1).abs().argmax()]
    if abs(worst - 1) > TOLERANCE:
        raise NotLogProbabilitiesError(worst.item())
