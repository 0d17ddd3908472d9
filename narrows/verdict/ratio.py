"""A positive ratio with its confidence interval.

See docs/method.md, "Uncertainty".
"""

from dataclasses import dataclass
from math import ceil, exp, log

import numpy as np

from narrows.arrays import Floats
from narrows.verdict.jackknife import Interval, interval

LARGEST = 1e9
"""The largest end of an interval, where the data set no limit."""


@dataclass(frozen=True)
class Ratio:
    """A positive ratio, with its 95 % interval."""

    value: float
    interval: Interval

    @classmethod
    def of(cls, replicates: Floats) -> "Ratio":
        """Return the ratio from its values, [1 + groups]: of all data, and without each group.

        The interval is the jackknife's for the logarithm.

        >>> Ratio.of(np.array([2.0, 2.0, 2.0]))
        Ratio(value=2.0, interval=(2.0, 2.0))
        """
        value, *without = replicates.tolist()
        if not (replicates > 0).all():
            return cls(value, interval(value, without, high=LARGEST) or (0.0, LARGEST))
        most = log(LARGEST)
        low, high = interval(log(value), np.log(without).tolist(), -most, most) or (-most, most)
        return cls(value, (min(value, exp(low)), max(value, exp(high))))

    def samples_needed(self, threshold: float, samples: int) -> int | None:
        """Return how many samples would tell the ratio from the threshold, from now `samples`.

        Intervals shrink with the root of the number of samples. None where the ratio is the
        threshold.

        >>> Ratio(4.0, (1.0, 16.0)).samples_needed(2.0, 1000)
        4000
        """
        low, high = self.interval
        distance = abs(log(self.value / threshold)) if self.value else 0.0
        if not distance:
            return None
        above = self.value > threshold
        reach = log(self.value / max(low, 1 / LARGEST) if above else high / self.value)
        return ceil(samples * (reach / distance) ** 2 - 1e-6)
