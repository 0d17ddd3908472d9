"""The baseline: what an answer that ignores the input would give on the same targets.

A network that is hardly better says nothing of its layers: the data were not transformed as in its
training, the labels are others, or its weights were never trained.

See docs/verdicts.md, "When no verdict is given".
"""

from dataclasses import dataclass
from math import log
from typing import Any, Literal

import torch
from torch import Tensor

from narrows.evaluation.score import Score
from narrows.losses import CLASS_LOSSES, IGNORED, class_dim

LEAST_GAIN = 0.1
"""The share of the baseline's loss that a network must save, so that verdicts are given."""

LEAST_AVOIDED = 0.5
"""The share of the baseline's errors that a network must avoid, if its loss is no lower."""

BaselineKind = Literal["constant", "shuffled"]
"""`constant`: the best answer that is the same for all inputs. `shuffled`: the network's own
outputs, held against the targets of other samples."""

ANSWERS = {
    "constant": "the best constant answer",
    "shuffled": "the network on the targets of other samples",
}
ADVICE = (
    "check that the inputs are transformed as in the training, that the labels are numbered alike, "
    "and that the network has its trained weights"
)


@dataclass(frozen=True)
class Baseline:
    """The score of an answer that ignores the input; `chance` is that of guessing among classes.

    >>> baseline = Baseline(Score(2.0, 0.25), "constant", chance=Score(2.3, 0.1))
    >>> baseline.doubt(Score(0.3, 0.9)) is None
    True
    >>> print(baseline.doubt(Score(6.39, 0.2)))  # doctest: +ELLIPSIS
    the network (loss 6.39, accuracy 20.0%) is not better than the best constant answer (loss 2, ...
    """

    score: Score
    kind: BaselineKind
    chance: Score | None = None

    def __str__(self) -> str:
        return f"{ANSWERS[self.kind]} has {self.score}"

    def gain(self, score: Score) -> float:
        """Return the share of the baseline's loss that the network saves; 1 is a loss of 0.

        Losses below 0 have no such share: any improvement counts as whole, any other as none.
        """
        if self.score.loss <= 0:
            return float(score.loss < self.score.loss)
        return 1 - score.loss / self.score.loss

    def is_right_but_unsure(self, score: Score) -> bool:
        """Tell whether the network avoids half of the baseline's errors, with a loss up to chance.

        Outputs that hardly differ give the loss of chance, however right they are. A larger loss
        is that of a network which is sure of wrong answers.
        """
        constant, own = self.score.accuracy, score.accuracy
        if constant is None or own is None or self.chance is None:
            return False
        avoids = own - constant >= LEAST_AVOIDED * (1 - constant) and own > constant
        return avoids and score.loss <= self.chance.loss * (1 + LEAST_GAIN)

    def doubt(self, score: Score) -> str | None:
        """Return why the score says that network and data do not belong together, or None."""
        if self.gain(score) >= LEAST_GAIN or self.is_right_but_unsure(score):
            return None
        near = "hardly" if score.loss < self.score.loss else "not"
        return (
            f"the network ({score}) is {near} better than {ANSWERS[self.kind]} ({self.score}), so "
            f"its layers tell nothing: {ADVICE}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the baseline in the API's shape."""
        return {
            **self.score.to_dict(),
            "kind": self.kind,
            "chance": self.chance and self.chance.to_dict(),
        }


class Targets:
    """What the best constant answer needs of all targets, added up batch by batch.

    >>> targets = Targets("cross_entropy")
    >>> targets.add(torch.tensor([0, 0, 1, IGNORED, 0]))
    >>> print(targets.baseline(outputs=(5, 4)).score)  # ¾ and ¼: 0.56; three of four are right
    loss 0.5623, accuracy 75.0%
    >>> print(targets.baseline(outputs=(5, 4)).chance)  # log 4
    loss 1.386, accuracy 25.0%
    """

    def __init__(self, loss: str) -> None:
        self._loss = loss
        self._samples = 0
        self._shape: tuple[int, ...] = ()
        self._sums: Tensor = torch.zeros(0, dtype=torch.float64)
        self._squares: Tensor = torch.zeros((), dtype=torch.float64)

    def add(self, targets: Tensor) -> None:
        """Add the targets of some samples, [samples, …]."""
        if self._loss in CLASS_LOSSES:
            counted = targets[targets != IGNORED].flatten().long().cpu()
            rows = torch.bincount(counted).double()
        elif self._loss in ("mse", "bce_with_logits"):
            numbers = targets.detach().double().reshape(len(targets), -1).cpu()
            rows, self._squares = numbers.sum(0), self._squares + numbers.square().sum()
        else:
            return
        self._samples, self._shape = self._samples + len(targets), tuple(targets.shape[1:])
        longest = max(len(rows), len(self._sums))
        self._sums = _padded(self._sums, longest) + _padded(rows, longest)

    def baseline(self, outputs: tuple[int, ...]) -> Baseline | None:
        """Return the best constant answer's score for outputs of this shape, [batch, …].

        None is returned for other losses, and if no target counts.
        """
        if self._loss in CLASS_LOSSES:
            if not self._sums.sum():
                return None
            dim = class_dim(outputs, (outputs[0], *self._shape))
            classes = outputs[1 if dim is None else dim]
            shares = self._sums / self._sums.sum()
            score = Score(torch.special.entr(shares).sum().item(), shares.max().item())
            return Baseline(score, "constant", Score(log(classes), 1 / classes))
        if not self._samples:
            return None
        means = self._sums / self._samples
        if self._loss == "mse":
            square = self._squares / self._samples / len(means)
            return Baseline(Score((square - means.square().mean()).item()), "constant")
        clamped = means.clamp(0, 1)
        entropies = torch.special.entr(clamped) + torch.special.entr(1 - clamped)
        right = torch.maximum(clamped, 1 - clamped).mean().item()
        return Baseline(Score(entropies.mean().item(), right), "constant", Score(log(2), 0.5))


def _padded(vector: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(vector, (0, length - len(vector)))
