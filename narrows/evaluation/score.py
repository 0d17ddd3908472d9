"""The score of a network on some samples: its mean loss, and the share of them that is right."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from narrows.losses import Count


@dataclass(frozen=True)
class Score:
    """The mean loss, and the accuracy (top-1), None where the loss knows no right and wrong.

    >>> str(Score(0.25, 0.9)), str(Score(1.5))
    ('loss 0.25, accuracy 90.0%', 'loss 1.5')
    """

    loss: float
    accuracy: float | None = None

    def __str__(self) -> str:
        text = f"loss {self.loss:.4g}"
        return text if self.accuracy is None else f"{text}, accuracy {self.accuracy:.1%}"

    def to_dict(self) -> dict[str, float | None]:
        """Return the score in the API's shape."""
        return {"loss": finite_or_none(self.loss), "accuracy": self.accuracy}

    @classmethod
    def of_batches(cls, batches: Iterable[tuple[float, Count]]) -> "Score | None":
        """Return the score from each batch's sum of the loss and its count; None if none counts.

        >>> Score.of_batches([(3.0, Count(2, 1)), (1.0, Count(2, 2))])
        Score(loss=1.0, accuracy=0.75)
        """
        loss = counted = correct = 0.0
        for value, count in batches:
            loss, counted, correct = loss + value, counted + count[0], correct + count[1]
        if not counted:
            return None
        return cls(loss / counted, correct / counted if isfinite(correct) else None)


def finite_or_none(number: float) -> float | None:
    """Return the number, or None where JSON could not hold it."""
    return number if isfinite(number) else None
