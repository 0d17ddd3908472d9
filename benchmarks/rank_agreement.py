"""How well scores of layers rank the gains that were measured, within networks.

"Within" means that each network has its own correlation, and that these are averaged: only the
layers of one network compete. Pure functions of arrays, without networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from narrows.arrays import Floats

SPLITS = 200
RESAMPLED = 2000


@dataclass(frozen=True)
class Agreement:
    """How one score agrees with the gains of one network."""

    correlation: float
    in_two_best: float
    beats_uniform: float


def agreement(scores: Floats, gains: Floats, uniform: float) -> Agreement:
    """Compare scores [layers] with mean gains [layers], and with that of widening all layers.

    The first is the layer with the highest score. Layers that share it share its luck.

    >>> agreement(np.array([2.0, 2.0, 1.0]), np.array([0.3, 0.1, 0.2]), 0.15)
    Agreement(correlation=0.0, in_two_best=0.5, beats_uniform=0.5)
    """
    first = scores == scores.max()
    two_best = gains >= np.sort(gains)[-2]
    return Agreement(
        spearman(scores, gains),
        float(two_best[first].mean()),
        float((gains > uniform)[first].mean()),
    )


def spearman(a: Floats, b: Floats) -> float:
    """Return Spearman's rank correlation; 0 where one of them says nothing, being constant.

    >>> spearman(np.array([1.0, 1.0]), np.array([1.0, 2.0]))
    0.0
    """
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(stats.spearmanr(a, b).statistic)


def split_half(gains: Floats, seed: int = 0) -> float:
    """Return the mean rank correlation of mean gains from two random halves of the seeds.

    `gains` is [seeds, layers]; nan for fewer than two seeds.
    """
    count = len(gains)
    if count < 2:
        return np.nan
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(SPLITS):
        order = generator.permutation(count)
        halves = order[: count // 2], order[count // 2 : count // 2 * 2]
        found.append(spearman(*(gains[half].mean(0) for half in halves)))
    return float(np.mean(found))


def stepped_up(correlation: float) -> float:
    """Return the reliability of all seeds from the correlation of halves (Spearman–Brown).

    >>> stepped_up(0.5), stepped_up(-0.2)
    (0.6666666666666666, 0.0)
    """
    return 2 * correlation / (1 + correlation) if correlation > 0 else 0.0


def bootstrap_error(values: Floats, seed: int = 0) -> float:
    """Return the standard error of the mean of `values` [networks], by resampling networks."""
    if not len(values):
        return np.nan
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLED, len(values)))
    return float(values[drawn].mean(1).std())


def chosen_on_others(values: Floats, kinds: Sequence[str]) -> tuple[Floats, dict[str, int]]:
    """Choose for each kind the score that is best on the networks of the other kinds.

    `values` is [scores, networks]. Return the values [networks] that the choices have on the kind
    that was left out, and each choice. With several kinds this is what to expect of a choice
    among these scores on a kind of network that was not seen.

    >>> values = np.array([[0.9, 0.9, 0.1], [0.5, 0.5, 0.6]])
    >>> chosen_on_others(values, ["a", "a", "b"])
    (array([0.5, 0.5, 0.1]), {'a': 1, 'b': 0})
    """
    names = np.array(kinds)
    result, choices = np.empty(len(names)), {}
    for kind in sorted(set(kinds)):
        own = names == kind
        choices[kind] = int(values[:, ~own].mean(1).argmax()) if (~own).any() else 0
        result[own] = values[choices[kind], own]
    return result, choices
