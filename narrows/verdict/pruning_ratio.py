"""The rule `pruning_ratio`: a layer is a bottleneck if a global pruning leaves it alone.

It is the paper's: what is pruned at one global ratio, with an interval, and the chance that so few
channels, or so many, are drawn at random.

See docs/method.md, "The rule pruning_ratio".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy import stats

from narrows.arrays import Floats, Ints
from narrows.methods import ranking, ties
from narrows.methods.ranking import PruningOrder
from narrows.verdict.comparable import Cases
from narrows.verdict.jackknife import Interval, interval
from narrows.verdict.p_values import adjusted_p_values
from narrows.verdict.verdict import Finding, Removed

FALSE_DISCOVERIES = 0.3
"""The tolerated share of wrong layers among those named (Benjamini–Hochberg)."""
LEFT_ALONE = 1 / 4
"""A layer is left alone if less than so much of it is pruned, in parts of what all layers lose."""


@dataclass(frozen=True)
class Pruned:
    """The share of a layer that is pruned, and of all layers that are compared.

    `p_few` and `p_many` are the probabilities of so low and of so high a share for channels drawn
    at random, adjusted for the number of layers; `is_narrow` is that of `Cases`.

    >>> Pruned(0.0, (0.0, 0.1), of_all=0.5, p_few=0.01, p_many=1.0, is_narrow=True).finding(1000)[0]
    'bottleneck'
    """

    share: float
    interval: Interval
    of_all: float
    p_few: float
    p_many: float
    is_narrow: bool

    def finding(self, samples: int) -> Finding:
        """Return the verdict: a bottleneck is narrow, and its whole interval is left alone.

        If the interval is all that is missing, the layer is suspected:

        >>> Pruned(0.0625, (0.0, 0.1875), 0.5, 0.01, 1.0, is_narrow=True).finding(1000)[2]
        4000
        """
        high, little = self.interval[1], LEFT_ALONE * self.of_all
        if self.is_narrow and self.p_few <= FALSE_DISCOVERIES and self.share < little:
            if high < little:
                return Finding("bottleneck", str(self))
            needed = ceil(samples * ((high - self.share) / (little - self.share)) ** 2)
            why = f"the data leave open whether it is below {little:.1%}"
            return Finding("suspected", f"{self}; {why}", needed)
        return Finding("balanced", str(self))

    @property
    def is_redundant(self) -> bool:
        """Whether the layer keeps less than half as much as all layers together, with certainty."""
        return self.p_many <= FALSE_DISCOVERIES and self.interval[0] > (1 + self.of_all) / 2

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.share:.0%} of its channels are pruned, 95 % interval {low:.0%} to {high:.0%}, "
            f"and {self.of_all:.0%} of all; p {self.p_few:.2g}"
        )


class Pruning:
    """What a global pruning by `ratio` does to each case: its structures go or stay.

    A case is `dead` if every saliency is 0 within rounding. Dead cases are no yardstick: beside
    them, every other one would stand out.
    """

    def __init__(
        self,
        cases: Cases,
        order: PruningOrder,
        replicates: Sequence[PruningOrder],
        ratio: float,
    ) -> None:
        self._cases, self._orders, self._ratio = cases, (order, *replicates), ratio
        silent = np.abs(order.saliency) <= ties.EPSILON * ties.largest(order.saliency)
        self.dead = {case for case, own in cases.owned.items() if silent[own].all()}
        alive = cases.without(self.dead).owned
        self._alive = np.unique(np.concatenate([np.empty(0, np.int64), *alive.values()]))
        # By mean ranks equals all go or all stay: none of them is drawn.
        removed = order.mean_rank < ranking.removals(len(order.rank), ratio)
        self._of_all = float(removed[self._alive].mean()) if alive else 1.0
        self._few = adjusted_p_values(removed, alive, "few")
        self._many = adjusted_p_values(removed, alive, "many")
        self._ranks = [_among(self._alive, one.mean_rank) for one in self._orders]

    def evidence(self, case: bytes) -> Pruned | None:
        """Return the evidence for a case; None where no other one is alive to compare with."""
        limits = self._with_interval(self._shares(case))[1]
        if len(self._few) < 2 or case in self.dead or limits is None:
            return None
        share = self._shares(case)[0]
        p_values = self._few[case], self._many[case]
        return Pruned(share, limits, self._of_all, *p_values, self._cases.is_narrow(case))

    def numbers(self, case: bytes) -> Removed:
        """Return what is shown of a case: its pruning ratio, and the mean rank as its score."""
        ratio, limits = self._with_interval(self._shares(case))
        score, score_limits = self._with_interval(
            [_score(r, self._cases.owned[case]) for r in self._ranks]
        )
        return {
            "pruning_ratio": ratio,
            "interval": limits,
            "p_value": self._few.get(case, 1.0),
            "score": score,
            "score_interval": score_limits,
        }

    def _shares(self, case: bytes) -> list[float]:
        own = self._cases.owned[case]
        return [ranking.pruning_ratio(one.rank, own, self._ratio) for one in self._orders]

    @staticmethod
    def _with_interval(values: Sequence[float]) -> tuple[float, Interval | None]:
        return values[0], interval(values[0], values[1:])


def _among(alive: Ints, mean_rank: Floats) -> Floats:
    """Return the mean ranks [S] among the structures of layers that are not dead; NaN for others.

    >>> _among(np.array([1, 2]), np.array([0.0, 1.0, 2.0]))
    array([nan,  0.,  1.])
    """
    result = np.full(len(mean_rank), np.nan)
    result[alive] = stats.rankdata(mean_rank[alive]) - 1
    return result


def _score(ranks: Floats, own: Ints) -> float:
    """Return the mean rank of a layer's structures, from 0 to 1; 0 for a dead layer's."""
    compared = np.count_nonzero(np.isfinite(ranks))
    return float(np.mean(ranks[own] + 0.5) / compared) if np.isfinite(ranks[own]).all() else 0.0
