"""The rule for verdicts: a layer is a bottleneck if its structures rank high.

The evidence for a layer is the mean rank of its structures among all: one minus the share that a
global pruning cuts, averaged over every global ratio. The share at one ratio, which is shown, has
far less of the evidence if channels are few.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy import stats

from narrows.arrays import Floats, Ints
from narrows.channels.structures import Channels
from narrows.methods import ranking, ties
from narrows.methods.ranking import PruningOrder
from narrows.verdict.jackknife import MIN_BATCHES, Interval, interval
from narrows.verdict.p_values import adjusted_p_values

FALSE_DISCOVERIES = 0.15
"""The tolerated share of wrong layers among those named (Benjamini–Hochberg)."""
ALONE = "no other layer has structures of its own, so there is nothing to compare with"
HIGH_SCORE, RAISED_SCORE, LOW_SCORE = 0.9, 2 / 3, 1 / 3
"""The least score of a bottleneck and of a suspected layer, and the highest of a redundant one.

Set by `benchmarks.planted` (RESULTS.md), for `sosp_i` with gates on the channel."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a layer.

    `pruning_ratio` is the share of its channels that the global pruning removes; `score` the mean
    rank of its structures, from 0 (all go first) to 1 (all stay longest), with the average ½; both
    with their 95 % intervals, None where there are too few batches. `p_value` is the probability of
    so high a score for channels drawn at random, adjusted for the number of layers. `because` is
    the reason of the verdict, and `samples_needed` the number of samples that would settle a
    suspicion.
    """

    verdict: str
    pruning_ratio: float | None = None
    interval: Interval | None = None
    p_value: float | None = None
    score: float | None = None
    score_interval: Interval | None = None
    because: str | None = None
    samples_needed: int | None = None


def judge(
    channels: Channels,
    order: PruningOrder,
    replicates: Sequence[PruningOrder],
    ratio: float,
    samples: int,
    doubt: str | None = None,
) -> dict[str, Verdict]:
    """Return a verdict for every layer, by name, at a global pruning ratio.

    `order` comes from all `samples`, `replicates` without groups of them. Layers that share their
    structures are one case, not several. Every verdict is withheld (`undecided`) where there is a
    `doubt`, the reason why the analysis may say nothing of the network, without replicates, and
    where a layer has all structures, so that its score is ½ whatever the data say:

    >>> from narrows.example import two_neurons
    >>> from narrows.methods.ranking import ranked
    >>> order = ranked(np.array([2.0, 1.0]))
    >>> verdicts = judge(two_neurons()[2], order, [order, order], ratio=0.5, samples=1)
    >>> verdicts["hidden"].score, verdicts["hidden"].verdict, verdicts["output"].verdict
    (0.5, 'undecided', 'not_prunable')

    See docs/method.md, "From saliencies to verdicts".
    """
    own_of = {layer.name: own for layer in channels.layers if len(own := layer.own)}
    owned = {own.tobytes(): own for own in own_of.values()}
    rounding = ties.EPSILON * ties.largest(order.saliency)
    dead = {case for case, own in owned.items() if (np.abs(order.saliency[own]) <= rounding).all()}
    alive = np.unique([s for case, own in owned.items() if case not in dead for s in own.tolist()])
    alone = ALONE if len(owned) - len(dead) == 1 else None
    ranks = [_among(alive, one.mean_rank) for one in (order, *replicates)]
    high = adjusted_p_values(ranks[0], owned, "greater")
    low = adjusted_p_values(ranks[0], owned, "less")

    verdicts = {layer.name: Verdict("not_prunable") for layer in channels.layers}
    for name, own in own_of.items():
        case = own.tobytes()
        score, *others = (_score(of_one, own) for of_one in ranks)
        share = ranking.pruning_ratio(order.rank, own, ratio)
        evidence = _Evidence(
            score,
            interval(score, others),
            high[case],
            low[case],
            doubt or (None if case in dead else alone),
            is_dead=case in dead,
        )
        decided = evidence.decide()
        verdicts[name] = Verdict(
            decided,
            pruning_ratio=share,
            interval=interval(
                share, [ranking.pruning_ratio(without.rank, own, ratio) for without in replicates]
            ),
            p_value=high[case],
            score=score,
            score_interval=evidence.interval,
            because=evidence.because(decided),
            samples_needed=evidence.samples_needed(samples) if decided == "suspected" else None,
        )
    return verdicts


@dataclass(frozen=True)
class _Evidence:
    """A layer's score with its interval, and the p-values of so high and of so low a score.

    A layer is dead, and redundant, if every saliency is 0 within rounding.

    >>> _Evidence(0.95, interval=(0.9, 1.0), p_high=0.01, p_low=1.0).decide()
    'bottleneck'
    >>> _Evidence(0.95, interval=(0.6, 1.0), p_high=0.01, p_low=1.0).decide()  # 0.6 < ⅔
    'suspected'
    """

    score: float
    interval: Interval | None
    p_high: float
    p_low: float
    doubt: str | None = None
    is_dead: bool = False

    def decide(self) -> str:
        """Return the verdict that the rule gives."""
        if self.doubt or self.interval is None:
            return "undecided"
        if self.is_dead:
            return "redundant"
        low, high = self.interval
        if self.score >= HIGH_SCORE and self.p_high <= FALSE_DISCOVERIES and low > RAISED_SCORE:
            return "bottleneck"
        if self.score >= RAISED_SCORE:
            return "suspected"
        if self.score <= LOW_SCORE and self.p_low <= FALSE_DISCOVERIES and high < 0.5:
            return "redundant"
        return "balanced"

    def because(self, decided: str) -> str:
        """Return the reason of the verdict, as a text."""
        text = f"score {self.score:.2f}"
        if self.interval:
            text += f" ({self.interval[0]:.2f} to {self.interval[1]:.2f})"
        text += f", p {self.p_high:.2g}"
        if decided == "undecided":
            few = f"fewer than {MIN_BATCHES} batches tell nothing of certainty; use more samples"
            return f"{text}; {self.doubt or few}"
        if self.is_dead:
            return f"{text}; none of its channels changes the loss"
        if decided != "suspected":
            return text
        missing = []
        if self.score < HIGH_SCORE:
            missing.append(f"the score is below {HIGH_SCORE}")
        if self.p_high > FALSE_DISCOVERIES:
            missing.append(f"so few channels may rank so high by chance (p > {FALSE_DISCOVERIES})")
        if self.interval and self.interval[0] <= RAISED_SCORE:
            missing.append(f"the data leave open whether it is above {RAISED_SCORE:.2f}")
        return f"{text}; not certain: {', '.join(missing)}"

    def samples_needed(self, samples: int) -> int | None:
        """Return how many samples would bring the score's interval above `RAISED_SCORE`.

        Intervals shrink with the root of the number of samples. None is returned if the interval is
        not what is missing, or if the score itself is not above `RAISED_SCORE`. Below, the interval
        must shrink from 0.2 to 0.1 below the score:

        >>> score = RAISED_SCORE + 0.1
        >>> _Evidence(score, (score - 0.2, 1.0), p_high=0.01, p_low=1.0).samples_needed(1000)
        4000
        """
        if self.interval is None or not self.interval[0] <= RAISED_SCORE < self.score:
            return None
        reach = (self.score - self.interval[0]) / (self.score - RAISED_SCORE)
        return ceil(samples * reach**2)


def _among(alive: Ints, mean_rank: Floats) -> Floats:
    """Return the mean ranks [S] among the structures of layers that are not dead; NaN for others.

    Dead layers are no yardstick: beside them, every other layer would stand out.

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
