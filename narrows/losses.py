"""Loss functions, summed over the samples of a batch, and their curvature along the outputs.

`R_n`, the Hessian of sample n's loss along the outputs, comes as a factor: `R_n = Σ_k c_k c_kᵀ`
over exact columns, or `R_n = E[c cᵀ]` of columns drawn at random, one a sample.

>>> LOSSES["cross_entropy"](torch.zeros(1, 4), torch.tensor([2]))  # p = ¼: log 4
tensor(1.3863)
>>> LOSSES["bce_with_logits"](torch.zeros(2, 1), torch.ones(2, 1))  # log 2 for each of two samples
tensor(1.3863)

See docs/method.md, "Definitions" and "Gates".
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

IGNORED = -100
"""The class number of targets that do not count, such as padding (torch's own convention)."""


LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(outputs [batch, …], targets) → scalar: the sum over the batch of each sample's loss."""


class Count(NamedTuple):
    """How many samples of a batch count, and how many of these are right (NaN: no such thing).

    A sample with several targets is divided: one of which half count is half a sample.
    """

    counted: float
    correct: float = nan


def _count_all(_outputs: Tensor, targets: Tensor) -> Count:
    return Count(len(targets))


@dataclass(frozen=True)
class Loss:
    """A loss and its curvature.

    `value(outputs, targets)` is the sum over the batch of each sample's loss, the mean over its
    targets, where those that do not count add 0; divided by the samples that count, it is torch's
    mean. `columns` yields the exact c_k, each of the outputs' shape; `draw` returns a random c for
    every sample. A loss without them has no Gauss–Newton matrix, so `sosp_i`, `joint` and `obs`
    refuse it.
    `count` counts the samples; by default all of them. `by_program` says that the network's output
    is the loss.

    >>> mse, outputs = LOSSES["mse"], torch.tensor([[1.0, 3.0]])
    >>> mse(outputs, torch.zeros(1, 2))  # (1² + 3²) / 2
    tensor(5.)
    >>> list(mse.columns(outputs, torch.zeros(1, 2)))  # R = 2/2 on the diagonal
    [tensor([[1., 0.]]), tensor([[0., 1.]])]
    """

    value: LossFunction
    columns: Callable[[Tensor, Tensor], Iterator[Tensor]] | None = None
    draw: Callable[[Tensor, Tensor, Generator], Tensor] | None = None
    count: Callable[[Tensor, Tensor], Count] = _count_all
    by_program: bool = False

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.value(outputs, targets)


# --- classes --------------------------------------------------------------------------------------


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

    >>> columns = torch.cat(list(_class_columns(torch.zeros(1, 2), torch.tensor([0]))))
    >>> columns.T @ columns  # p = ½: diag(p) − p pᵀ
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    classes = _Classes(outputs, targets)
    p = classes.outputs.softmax(-1)
    for target in _each(p[0, ..., 0]):
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
    signed = p.sqrt() * _signs(p, generator)
    return classes.column(signed - p * signed.sum(-1, keepdim=True))


def _signs(like: Tensor, generator: Generator) -> Tensor:
    return torch.randint(2, like.shape, generator=generator).to(like) * 2 - 1


def _each(like: Tensor) -> Iterator[Tensor]:
    """Yield the tensors of the shape of `like` with a single 1, at each index in turn."""
    yield from torch.eye(like.numel(), dtype=like.dtype, device=like.device).view(-1, *like.shape)


# --- numbers --------------------------------------------------------------------------------------


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
        for output in _each(outputs[0]):
            yield root * output

    def draw(outputs: Tensor, _targets: Tensor, generator: Generator) -> Tensor:
        return curvature(outputs).sqrt() * _signs(outputs, generator)

    return Loss(value, columns, draw, count)


def _model(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss that the program computed: its batch's mean, or one for each sample."""
    return outputs.sum() if outputs.dim() else outputs * len(targets)


LOSSES: Mapping[str, Loss] = {
    "cross_entropy": Loss(_cross_entropy, _class_columns, _draw_class, _count_classes),
    "nll": Loss(_nll, _class_columns, _draw_class, _count_classes),
    "mse": _diagonal(_mse, _mse_curvature, _count_all),
    "bce_with_logits": _diagonal(_bce_with_logits, _bce_curvature, _count_binary),
    "model": Loss(_model, by_program=True),
}
"""The losses by the name that a request gives them."""

CLASS_LOSSES = frozenset({"cross_entropy", "nll"})
"""The losses whose targets are class numbers."""
