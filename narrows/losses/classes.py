"""Losses of class numbers: cross entropy, and nll of log-probabilities.

See docs/method.md, "Definitions".
"""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Generator, Tensor

from narrows.losses.loss import IGNORED, Count, Loss, each, signs


def class_dim(outputs: tuple[int, ...], targets: tuple[int, ...]) -> int | None:
    """Return the dimension of the outputs that counts the classes; None where shapes do not fit.

    It is the second, as torch has it, or the last, as sequence models have it.

    >>> class_dim((8, 10), (8,)), class_dim((8, 21, 64, 64), (8, 64, 64))
    (1, 1)
    >>> class_dim((8, 5, 9), (8, 5))
    -1
    """
    if len(outputs) >= 2 and (outputs[0], *outputs[2:]) == targets:
        return 1
    return -1 if outputs[:-1] == targets else None


class _Classes:
    """Outputs with the classes last, [batch, …, C], and the weight of each target in its sample.

    Raises ValueError where the shapes of outputs and targets do not fit.
    """

    def __init__(self, outputs: Tensor, targets: Tensor) -> None:
        dim = class_dim(tuple(outputs.shape), tuple(targets.shape))
        if dim is None:
            raise ValueError(
                f"outputs {list(outputs.shape)} and targets {list(targets.shape)} do not fit: "
                "class numbers go with outputs [batch, classes, …] or [batch, …, classes]"
            )
        self.dim, self.outputs = dim, outputs.movedim(dim, -1)
        self.weights = (targets != IGNORED).to(outputs.dtype) / targets[0].numel()

    def mean(self, log_probabilities: Tensor, targets: Tensor) -> Tensor:
        """Return the sum over samples of the mean over a sample's targets of −log p, or 0."""
        chosen = log_probabilities.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
        return -(self.weights * chosen).sum()

    def column(self, direction: Tensor) -> Tensor:
        """Return √weight · direction, in the outputs' layout."""
        return (self.weights.sqrt()[..., None] * direction).movedim(-1, self.dim)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    classes = _Classes(outputs, targets)
    return classes.mean(F.log_softmax(classes.outputs, -1), targets)


def _nll(outputs: Tensor, targets: Tensor) -> Tensor:
    classes = _Classes(outputs, targets)
    return classes.mean(classes.outputs, targets)


def _count_classes(outputs: Tensor, targets: Tensor) -> Count:
    """Count the targets that are not ignored, and those whose class has the largest output.

    >>> import torch
    >>> _count_classes(torch.eye(3), torch.tensor([0, 2, IGNORED]))
    Count(counted=2.0, correct=1.0)
    """
    classes = _Classes(outputs, targets)
    weights = classes.weights.double()
    right = weights * (classes.outputs.argmax(-1) == targets)
    return Count(weights.sum().item(), right.sum().item())


def _class_columns(outputs: Tensor, targets: Tensor) -> Iterator[Tensor]:
    """Yield the columns of `diag(√p) − p √pᵀ`, whose product with itself is `diag(p) − p pᵀ`.

    Each target of a sample has columns of its own, such as each token of a sequence. Outputs that
    are log-probabilities already have the same columns.

    >>> import torch
    >>> columns = torch.cat(list(_class_columns(torch.zeros(1, 2), torch.tensor([0]))))
    >>> columns.T @ columns  # p = ½: diag(p) − p pᵀ
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    classes = _Classes(outputs, targets)
    p = classes.outputs.softmax(-1)
    for target in each(p[0, ..., 0]):
        for k in range(p.shape[-1]):
            column = -p * p[..., k : k + 1].sqrt()
            column[..., k] += p[..., k].sqrt()
            yield classes.column(column * target[..., None])


def _draw_class(outputs: Tensor, targets: Tensor, generator: Generator) -> Tensor:
    """Return `Σ_k ±√p_k (e_k − p)` with signs drawn at random: its covariance is R.

    The covariance of `p − e_y` is R, too, with a label y drawn from p. But where the network is
    certain, that vector is almost zero for nearly all samples and large for a few.
    """
    classes = _Classes(outputs, targets)
    p = classes.outputs.softmax(-1)
    signed = p.sqrt() * signs(p, generator)
    return classes.column(signed - p * signed.sum(-1, keepdim=True))


CROSS_ENTROPY = Loss(_cross_entropy, _class_columns, _draw_class, _count_classes)
NLL = Loss(_nll, _class_columns, _draw_class, _count_classes)
