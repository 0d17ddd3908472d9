"""What a trial says: for each variant its mean scores, and its gain against the original.

See docs/trials.md, "Results".
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from narrows.trials.result import RunResult
from narrows.vocabulary import ORIGINAL

CONFIDENCE = 0.95
Interval = tuple[float, float]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds, and its interval (Student's t); None with a single seed.

    >>> low, high = Mean.of([1.0, 2.0, 3.0]).interval  # 2 ± 4.303 · 1 / √3
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    >>> Mean.of([2.0])
    Mean(value=2.0, interval=None, count=1)
    """

    value: float
    interval: Interval | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean | None":
        """Return the mean of the values; None where there are none."""
        if not values:
            return None
        mean, count = float(np.mean(values)), len(values)
        if count == 1:
            return cls(mean, None, count)
        half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * np.std(values, ddof=1) / count**0.5
        return cls(mean, (mean - float(half), mean + float(half)), count)


@dataclass(frozen=True)
class VariantSummary:
    """A variant's results over its seeds; those of runs with an error are left out.

    `gain` is the fall of the held-out loss against the original of the same seed, and
    `accuracy_gain` the rise of the accuracy. `errors` are those of single runs, by seed.
    """

    name: str
    parameters: int | None
    macs: int | None
    loss: Mean | None
    accuracy: Mean | None
    gain: Mean | None
    accuracy_gain: Mean | None
    errors: dict[int, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the summary in the API's shape."""
        return asdict(self)


def summarize(results: Sequence[RunResult]) -> list[VariantSummary]:
    """Return a summary of each variant, in the order of their first results."""
    names = dict.fromkeys(result.variant for result in results)
    originals = {r.seed: r for r in results if r.variant == ORIGINAL}
    return [_summary(name, [r for r in results if r.variant == name], originals) for name in names]


def _summary(
    name: str, results: Sequence[RunResult], originals: dict[int, RunResult]
) -> VariantSummary:
    whole = [r for r in results if r.loss is not None]
    pairs = (
        [] if name == ORIGINAL else [(originals[r.seed], r) for r in whole if r.seed in originals]
    )
    return VariantSummary(
        name,
        max((r.parameters for r in whole), default=None),
        max((r.macs for r in whole), default=None),
        Mean.of(_known([r.loss for r in whole])),
        Mean.of(_known([r.accuracy for r in whole])),
        Mean.of(_known([_difference(a.loss, b.loss) for a, b in pairs])),
        Mean.of(_known([_difference(b.accuracy, a.accuracy) for a, b in pairs])),
        {r.seed: r.error for r in results if r.error is not None},
    )


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
