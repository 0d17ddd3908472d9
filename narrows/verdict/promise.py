"""The rule `worth`: a narrow layer is a bottleneck if one more channel promises far more in it.

A layer of n channels, each worth v, promises v / n for one more: what its channels are worth, times
its growth. This *promise* is held against those of comparable layers.

See docs/method.md, "The rule worth".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.verdict.comparable import Cases
from narrows.verdict.ratio import Ratio
from narrows.verdict.verdict import Finding
from narrows.verdict.worth import Worth

HIGH = 3.0
"""One more channel of a bottleneck promises so many times as much as in comparable layers."""


@dataclass(frozen=True)
class Promise:
    """What one more channel promises, over what it promises in the better of the neighbours.

    `worth_ratio` is what a channel is worth beside the network's median layer; `is_narrow` is that
    of `Cases`.

    >>> narrow, wide = (Promise(Ratio(5.0, (4.5, 6.0)), 2.0, is_narrow=n) for n in (True, False))
    >>> narrow.finding(1000).verdict, wide.finding(1000).verdict
    ('bottleneck', 'balanced')
    """

    promise: Ratio
    worth_ratio: float
    is_narrow: bool

    def finding(self, samples: int, least: float = HIGH) -> Finding:
        """Return the verdict, and for a suspicion how many samples would settle it.

        `least` is the promise from which on a narrow layer is a bottleneck.
        """
        low, high = self.promise.interval
        if self.is_narrow and low >= least:
            return Finding("bottleneck", self._text)
        if self.is_narrow and high >= least:
            why = f"the data leave open whether that is {least:g} times"
            needed = self.promise.samples_needed(least, samples)
            return Finding("suspected", f"{self._text}; {why}", needed)
        if low >= least:
            return Finding("balanced", f"{self._text}, but it is not narrow")
        return Finding("balanced", self._text)

    def numbers(self) -> dict[str, Any]:
        """Return what is shown of it, by the fields of `Verdict`."""
        return {"promise": self.promise.value, "promise_interval": self.promise.interval}

    @property
    def _text(self) -> str:
        low, high = self.promise.interval
        return (
            f"a channel here is worth {self.worth_ratio:.2g} typical channels; one more promises "
            f"{self.promise.value:.2g} times as much as in comparable layers, 95 % interval "
            f"{low:.2g} to {high:.2g}"
        )


def promises(worth: Worth, cases: Cases) -> dict[bytes, Promise]:
    """Return the promise of each case beside its neighbours, where these are worth something.

    Below, one layer has a neuron that is worth 6, and the other two that are worth 3 each:

    >>> worth = Worth(np.array([6.0, 3.0, 3.0]), np.array([[6.0, 3.0, 3.0]] * 2))
    >>> owned = {b"a": np.array([0]), b"b": np.array([1, 2])}
    >>> found = promises(worth, Cases(owned, dict.fromkeys(owned, (False, False))))
    >>> round(found[b"a"].promise.value, 3), round(found[b"b"].promise.value, 3)
    (4.0, 0.25)
    """
    values = {case: worth.with_replicates(own) for case, own in cases.owned.items()}
    offers = {case: value / len(cases.owned[case]) for case, value in values.items()}
    median = np.median([value[0] for value in values.values()]) if values else 0.0
    result = {}
    for case, value in values.items():
        beside = [offers[other] for other in cases.neighbours(case)]
        if beside and ((best := np.max(beside, axis=0)) > 0).all():
            worth_ratio = float(value[0] / median) if median else 0.0
            promise = Ratio.of(offers[case] / best)
            result[case] = Promise(promise, worth_ratio, cases.is_narrow(case))
    return result
