"""Logarithmic scales, for values that range widely."""

from collections.abc import Callable, Iterable
from math import ceil, floor, log

MOST_POWERS = 8
"""Values more powers of the base below the largest are drawn at the bottom."""


def logarithmic(
    values: Iterable[float], base: int = 10
) -> tuple[Callable[[float], float], list[float]] | None:
    """Return a scale from 0 to 1 that holds the positive values, and the powers of its base.

    None where there is no positive value.

    >>> scale, ticks = logarithmic([0.02, 5.0, 0.0])
    >>> ticks, round(scale(0.1), 3), scale(10.0), scale(0.0)
    ([0.01, 0.1, 1.0, 10.0], 0.333, 1.0, 0.0)
    """
    positive = [value for value in values if value > 0]
    if not positive:
        return None
    high = ceil(log(max(positive), base))
    low = min(max(floor(log(min(positive), base)), high - MOST_POWERS), high - 1)
    step = 1 if high - low <= 5 else 2

    def scale(value: float) -> float:
        return (log(value, base) - low) / (high - low) if value > 0 else 0.0

    return scale, [float(base) ** power for power in range(low, high + 1, step)]
