"""Which layers are bottlenecks, and how sure that is (METHOD §4).

The evidence for a layer is the rank-sum of its structures among all: the ratio at which a global
pruning cuts it, averaged over every global ratio. With few channels, the ratio at one point throws
most of that away; it is what is shown.

A first rule, to be calibrated on networks with planted narrow layers. Of 5-layer networks for
scikit-learn's digits, six seeds each, with 6 channels among 32 at the first, the third or the last
layer, it named 16 of 18 narrow layers (the two others, both first, are suspected), no other of the
72 layers beside them, and none of 30 in networks without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from worker.sosp import ranking
from worker.sosp.channels import NO_STRUCTURE, Channels, Layer
from worker.sosp.sosp_h import Terms, saliencies

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FALSE_DISCOVERIES = 0.15
"""The share of wrong ones tolerated among the layers named (Benjamini–Hochberg)."""
HIGH_SCORE, RAISED_SCORE, LOW_SCORE = 2 / 3, 0.6, 1 / 3
"""Mean ranks: of a bottleneck at least, of one to be suspected at least, of a redundant at most."""
RESAMPLES = 200
MIN_BATCHES = 8
"""With fewer, nothing can be said of how certain a verdict is, so none is final."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a layer.

    `pruning_ratio` is the share of its channels that the global pruning removes and `interval` its
    95 % bootstrap interval over batches, None where there are too few; `score` the mean rank of its
    structures, from 0 (all go first) to 1 (all stay longest), one half being the average; `p_value`
    the chance of so high a score for channels drawn at random, adjusted for the number of layers.
    """

    verdict: str
    pruning_ratio: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    score: float | None = None


def judge(
    channels: Channels,
    terms: Terms,
    ratio: float,
    seed: int = 0,
    prices: Floats | float = 1.0,
) -> dict[str, Verdict]:
    """Return a verdict for every layer, by name, at a global pruning ratio.

    The ranking goes by saliency over `prices` [S]. `seed` is that of the resampling. Layers that
    share their structures are one case, not several.
    """
    first, second, _ = terms.means()
    places = ranking.ranks(saliencies(first, second) / prices)
    resampled = _resample(terms, prices, seed)
    cases = {layer.name: own.tobytes() for layer in channels.layers if len(own := _own(layer))}
    owned = {_own(layer).tobytes(): _own(layer) for layer in channels.layers if len(_own(layer))}
    high = _adjusted_p_values(places, owned, "greater")
    low = _adjusted_p_values(places, owned, "less")

    verdicts = {layer.name: Verdict("not_prunable") for layer in channels.layers}
    for name, case in cases.items():
        own = owned[case]
        scores = [_score(sample, own) for sample in resampled]
        ratios = [ranking.pruning_ratio(sample, own, ratio) for sample in resampled]
        score = _score(places, own)
        verdicts[name] = Verdict(
            _decide(score, _interval(scores), high[case], low[case]),
            pruning_ratio=ranking.pruning_ratio(places, own, ratio),
            interval=_interval(ratios),
            p_value=high[case],
            score=score,
        )
    return verdicts


def _decide(score: float, interval: tuple[float, float] | None, p_high: float, p_low: float) -> str:
    """Apply the rule; `interval` is the score's."""
    low, high = interval or (0.0, 1.0)
    if score >= HIGH_SCORE and p_high <= FALSE_DISCOVERIES and low > 0.5:
        return "bottleneck"
    if score >= HIGH_SCORE or (score >= RAISED_SCORE and p_high <= FALSE_DISCOVERIES):
        return "suspected"
    if score <= LOW_SCORE and p_low <= FALSE_DISCOVERIES and high < 0.5:
        return "redundant"
    return "balanced"


def _own(layer: Layer) -> Ints:
    own: Ints = np.unique(layer.structures[layer.structures != NO_STRUCTURE])
    return own


def _score(places: Ints, own: Ints) -> float:
    return float(np.mean(places[own] + 0.5) / len(places))


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _resample(terms: Terms, prices: Floats | float, seed: int) -> list[Ints]:
    """Return the ranks of all structures in samples of as many batches, drawn with replacement.

    None are returned where there are too few batches to draw from.
    """
    batches = len(terms.samples)
    if batches < MIN_BATCHES:
        return []
    draws = np.random.default_rng(seed).multinomial(
        batches, np.full(batches, 1 / batches), size=RESAMPLES
    )
    totals = (draws @ terms.samples)[:, None]
    first, second = draws @ terms.first / totals, draws @ terms.second / totals
    return [ranking.ranks(sample) for sample in saliencies(first, second) / prices]


def _adjusted_p_values(
    places: Ints, owned: Mapping[bytes, Ints], alternative: Literal["greater", "less"]
) -> dict[bytes, float]:
    """Test each case's ranks against all others' (Mann–Whitney), adjusted over the cases."""
    p_values = []
    for own in owned.values():
        others = np.delete(places, own)
        test = (
            stats.mannwhitneyu(places[own], others, alternative=alternative)
            if len(others)
            else None
        )
        p_values.append(float(test.pvalue) if test else 1.0)
    adjusted = stats.false_discovery_control(p_values)
    return {case: float(p) for case, p in zip(owned, adjusted, strict=True)}
