"""Targets that a named loss can compare with the outputs; errors say what to change."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.graph.trace_errors import summary
from narrows.losses import CLASS_LOSSES, IGNORED, LossFunction, class_dim


class TargetsError(ValueError):
    """The error for targets that do not fit the outputs; the text says what to change."""


def require_fitting_targets(targets: NDArray[Any], outputs: tuple[int, ...], loss: str) -> None:
    """Raise TargetsError unless `loss` can compare targets with outputs of the shape `outputs`.

    It needs class numbers within range, or an array of the outputs' shape; the number of samples
    may differ.

    >>> import numpy as np
    >>> require_fitting_targets(np.array([0, 5]), (2, 5), "nll")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    narrows.targets.TargetsError: y has labels from 0 to 5, but the model has 5 outputs: ...
    """
    if loss not in CLASS_LOSSES:
        if targets.shape[1:] != outputs[1:]:
            raise TargetsError(
                f"The loss {loss} compares y with the model's outputs, but a sample's y has shape "
                f"{list(targets.shape[1:])} and its output {list(outputs[1:])}. Reshape y, or "
                "choose another loss."
            )
        return
    if targets.dtype.kind not in "iu":
        raise TargetsError(
            f"The loss {loss} takes class numbers, but y has dtype {targets.dtype}. Save y as "
            'integers, or choose the loss "mse".'
        )
    dim = class_dim(outputs, (outputs[0], *targets.shape[1:]))
    if dim is None:
        raise TargetsError(
            f"The loss {loss} takes outputs [batch, classes, …] and targets [batch, …], or the "
            f"classes last, but a sample's output has shape {list(outputs[1:])} and its y "
            f"{list(targets.shape[1:])}. Reshape y."
        )
    if len(outputs) > 2 and dim == 1 and outputs[1:-1] == targets.shape[1:]:
        raise TargetsError(
            f"A sample's output has shape {list(outputs[1:])}: Narrows can't tell which of the "
            "dimensions counts the classes. Export a program that returns its loss, and choose "
            "the loss model."
        )
    counted = targets[targets != IGNORED]
    low, high = (int(counted.min()), int(counted.max())) if counted.size else (0, 0)
    classes = outputs[dim]
    if low < 0 or high >= classes:
        raise TargetsError(
            f"y has labels from {low} to {high}, but the model has {classes} outputs: labels must "
            f"lie in 0 … {classes - 1}, or be {IGNORED} where they don't count."
        )


def require_own_loss(outputs: tuple[int, ...], batch: int) -> None:
    """Raise TargetsError unless outputs of this shape are a program's own loss for its batch."""
    if outputs not in ((), (batch,)):
        raise TargetsError(
            f"With the loss model, the model must return the mean loss of the batch, or one loss "
            f"for each sample; it returns {['batch', *outputs[1:]]}."
        )


def as_loss_takes(
    targets: Tensor, outputs: tuple[int, ...], dtype: torch.dtype, loss: str
) -> Tensor:
    """Return targets that fit outputs of this shape and type, in the type that the loss takes.

    Class numbers of any integer type become int64; for the other losses targets get the outputs'
    type. Raises TargetsError where they do not fit.

    >>> as_loss_takes(torch.tensor([True]), (2,), torch.float32, "bce_with_logits")
    tensor([1.])
    """
    if loss in CLASS_LOSSES and (targets.is_floating_point() or targets.dtype == torch.bool):
        kind = str(targets.dtype).removeprefix("torch.")
        advice = "pass targets.long()"
        if tuple(targets.shape[1:]) == outputs[1:]:
            advice = "for shares of classes, pass a loss of your own that sums over the batch"
        raise TargetsError(f"the loss {loss} takes class numbers, but targets are {kind}: {advice}")
    require_fitting_targets(targets.numpy(force=True), outputs, loss)
    return targets.long() if loss in CLASS_LOSSES else targets.to(dtype)


def require_sum(loss: LossFunction, outputs: Tensor, targets: Tensor) -> None:
    """Raise TargetsError unless a loss of the user's own sums over the samples that it is given.

    It is tried on the samples, and on all of them twice: a sum doubles, and a mean stays.

    >>> require_sum(torch.nn.functional.mse_loss, torch.ones(2, 1), torch.zeros(2, 1))
    Traceback (most recent call last):
    narrows.targets.TargetsError: the loss returns a mean; it must return the sum over the batch \
of each sample's loss, such as with reduction="sum"
    """
    wanted = 'the sum over the batch of each sample\'s loss, such as with reduction="sum"'
    with torch.no_grad():
        try:
            once = loss(outputs, targets)
            twice = loss(torch.cat([outputs, outputs]), torch.cat([targets, targets]))
        except Exception as error:  # the user's own code may raise any type
            raise TargetsError(
                f"the loss can't compare outputs {list(outputs.shape)} with targets "
                f"{list(targets.shape)}: {summary(error)}"
            ) from error
    if not isinstance(once, Tensor) or once.dim():
        what = list(once.shape) if isinstance(once, Tensor) else type(once).__name__
        raise TargetsError(f"the loss returns {what}; it must return one number, {wanted}")
    if once != 0 and torch.isclose(once, twice):
        raise TargetsError(f"the loss returns a mean; it must return {wanted}")
