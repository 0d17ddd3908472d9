"""Expected gain: the loss that a wider layer saves, by a calibration on retrained networks.

A layer *promises* its worth over the network's loss, times the growth that one percent of the
network's cost buys. `gains.json` maps promises to measured gains, with intervals that were held
against networks left out. `python -m benchmarks.expected_gain` makes it.

See docs/method.md, "Expected gain".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from narrows.arrays import Floats
from narrows.verdict.jackknife import Interval
from narrows.vocabulary import BudgetKind

GAINS = "gains.json"
FACTS = {
    "parameters": "{} parameters",
    "layers": "{} layers",
    "widest": "{} channels in its widest layer",
    "loss": "{} of the loss of guessing",
}
"""What networks are compared by, and how to say it."""


class Gain(NamedTuple):
    """The expected fall of the held-out loss, with its 95 % interval."""

    gain: float
    interval: Interval

    def times(self, loss: float) -> "Gain":
        """Return the gain in units of the loss, from one that is a share of it."""
        low, high = self.interval
        return Gain(loss * self.gain, (loss * low, loss * high))


@dataclass(frozen=True)
class Curve:
    """Promise → gain, as shares of the network's loss, for one percent more cost.

    `gains` rise with `promises`, [knots] each. The curve is straight between them and from 0 to the
    first, and level after the last. The 95 % interval of a gain reaches from `gain + below · scale`
    to `gain + above · scale`, where the scale is `gain + floor`.

    >>> curve = Curve([1.0, 2.0], [0.1, 0.3], below=-0.5, above=1.0, floor=0.1)
    >>> curve.at(np.array([0.5, 1.5, 9.0]))
    array([0.05, 0.2 , 0.3 ])
    >>> gain, (low, high) = curve.expected(1.5, (1.0, 2.0))
    >>> round(gain, 3), round(low, 3), round(high, 3)  # the ends of those of 1.0 and 2.0
    (0.2, 0.0, 0.7)
    """

    promises: list[float]
    gains: list[float]
    below: float
    above: float
    floor: float

    def at(self, promises: Floats) -> Floats:
        """Return the gains that promises stand for."""
        result: Floats = np.interp(promises, [0.0, *self.promises], [0.0, *self.gains])
        return result

    def expected(self, promise: float, limits: Interval) -> Gain:
        """Return the gain of a promise that lies within `limits`."""
        gain, low, high = self.at(np.array([promise, *limits])).tolist()
        reach = self.below * (low + self.floor), self.above * (high + self.floor)
        return Gain(gain, (low + reach[0], high + reach[1]))


@dataclass(frozen=True)
class Calibration:
    """A curve for each kind of cost, and the networks that they were made from.

    `networks` counts these by kind; `ranges` has their least and largest values of `FACTS`.
    """

    curves: Mapping[BudgetKind, Curve]
    networks: Mapping[str, int]
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Calibration":
        """Return what a file such as `gains.json` holds."""
        curves = {kind: Curve(**curve) for kind, curve in content["curves"].items()}
        return cls(curves, content["networks"], content["ranges"])

    def basis(self, facts: Mapping[str, float]) -> str:
        """Return what the expected gains rest on, and how a network of these facts differs.

        >>> calibration = Calibration({}, {"plain": 3, "mlp": 1}, {"parameters": (676, 4066)})
        >>> print(calibration.basis({"parameters": 1e6}))  # doctest: +NORMALIZE_WHITESPACE
        Expected gains were calibrated on 4 retrained networks for 8×8 images (3 plain, 1 mlp). This
        one has 1,000,000 parameters (theirs: 676 to 4,066). So its gains are extrapolated: do not
        trust their size.
        """
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.networks.items())
        text = (
            f"Expected gains were calibrated on {sum(self.networks.values())} retrained networks "
            f"for 8×8 images ({kinds})."
        )
        differences = [
            f"{FACTS[name].format(_short(value))} (theirs: {_short(low)} to {_short(high)})"
            for name, (low, high) in self.ranges.items()
            if name in facts and not low <= (value := facts[name]) <= high
        ]
        if not differences:
            return text
        return (
            f"{text} This one has {', '.join(differences)}. So its gains are extrapolated: do not "
            "trust their size."
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


@cache
def calibration() -> Calibration:
    """Return the calibration that comes with Narrows."""
    return Calibration.of(json.loads((files(__package__) / GAINS).read_text()))
