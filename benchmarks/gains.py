"""What widening a layer gains: the truth that a verdict's score is held against.

    python -m benchmarks.gains --limit 4 --seeds 2 --jobs 2

Trains each network, its variants with one layer wider, and one with all layers wider, at equal
added parameters, with several seeds; a gain is the fall of the loss on held-out samples. Everything
is kept in the cache folder (NARROWS_BENCHMARKS): stop and start again at will. Goals: a rank
correlation of score and gain of at least 0.6; the layer of the highest score is among the two best
to widen, and better than `uniform`, in at least 80 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.table import Table
from scipy import stats

from benchmarks.gain_networks import Study, studies
from benchmarks.options import CONSOLE, parser, prepare
from benchmarks.scoring import Criterion, analysis, layer_names
from benchmarks.training import read
from narrows.arrays import Floats


@dataclass(frozen=True)
class Gains:
    """The falls of a network's loss by widening each layer, [seeds, layers], and all, [seeds]."""

    study: Study
    layers: Floats
    uniform: Floats

    @property
    def mean(self) -> Floats:
        result: Floats = self.layers.mean(axis=0)
        return result

    @property
    def error(self) -> float:
        """The standard error of a layer's mean gain, beside the other layers' of the network.

        What the seed does to all variants alike, such as to the network that they are compared
        with, is no error in comparing layers.
        """
        if len(self.layers) < 2:
            return np.nan
        apart = self.layers - self.layers.mean(axis=1, keepdims=True)
        return float(np.sqrt(apart.var(axis=0, ddof=1).mean() / len(apart)))


def gains(study: Study) -> Gains:
    losses = np.array(
        [[read(recipe).loss for recipe in study.recipes(seed)] for seed in range(study.seeds)]
    )
    fallen = losses[:, :1] - losses[:, 1:]
    return Gains(study, fallen[:, 1:], fallen[:, 0])


@dataclass(frozen=True)
class Case:
    """The scores of one trained network's layers beside the mean gains of its architecture."""

    scores: Floats
    gains: Floats
    uniform: float

    @property
    def first(self) -> int:
        return int(self.scores.argmax())

    @property
    def first_is_among_two_best(self) -> bool:
        return self.first in np.argsort(self.gains)[-2:]

    @property
    def first_beats_uniform(self) -> bool:
        return bool(self.gains[self.first] > self.uniform)


def compare(cases: Sequence[Case]) -> list[str]:
    """Return rank correlations, pooled and within networks, and how often the first is right."""
    scores, found = np.array([c.scores for c in cases]), np.array([c.gains for c in cases])
    return [
        f"{_correlation(scores, found):.2f}",
        f"{_correlation(stats.rankdata(scores, axis=1), stats.rankdata(found, axis=1)):.2f}",
        f"{np.mean([case.first_is_among_two_best for case in cases]):.0%}",
        f"{np.mean([case.first_beats_uniform for case in cases]):.0%}",
    ]


def _correlation(a: Floats, b: Floats) -> float:
    return float(stats.spearmanr(a.ravel(), b.ravel()).statistic)


def truth(found: Sequence[Gains]) -> Table:
    result = Table("network", "widths", *layer_names(found[0].study.base), "uniform", "error")
    for one in found:
        base = one.study.base
        values = (*one.mean, one.uniform.mean())
        result.add_row(
            f"{base.data} {base.architecture}",
            " ".join(map(str, base.widths)),
            *(f"{value:+.3f}" for value in values),
            f"{one.error:.3f}",
        )
    return result


def verdicts(found: Sequence[Gains], criteria: Sequence[Criterion]) -> Table:
    result = Table("score", "pooled", "within", "in two best", "beats uniform")
    for criterion in criteria:
        cases = [
            Case(_scores(one.study, seed, criterion), one.mean, one.uniform.mean())
            for one in found
            for seed in range(one.study.seeds)
        ]
        result.add_row(str(criterion), *compare(cases))
    narrowest = [
        Case(-np.array(one.study.base.widths, float), one.mean, one.uniform.mean()) for one in found
    ]
    result.add_row("the narrowest first", *compare(narrowest))
    return result


def _scores(study: Study, seed: int, criterion: Criterion) -> Floats:
    base = replace(study.base, seed=seed)
    rows = {row["name"]: row for row in analysis(base, criterion).layers}
    return np.array([rows[name]["score"] for name in layer_names(base)])


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--seeds", type=int, default=3, metavar="N", help="for each variant")
    options = arguments.parse_args()
    chosen = studies(options.limit, options.seeds)
    rounds = [
        (study, seed)
        for seed in range(max(study.seeds for study in chosen))
        for study in chosen
        if seed < study.seeds
    ]  # a seed of every network before the next, so that one may stop early
    trained = [recipe for study, seed in rounds for recipe in study.recipes(seed)]
    bases = [replace(study.base, seed=seed) for study, seed in rounds]
    criteria = prepare(trained, bases, options)
    found = [gains(study) for study in chosen]
    CONSOLE.print("What widening gains in held-out loss, and the standard error between layers.")
    CONSOLE.print(truth(found))
    spread = np.mean([one.mean.std(ddof=1) for one in found])
    error = np.mean([one.error for one in found])
    CONSOLE.print(f"Layers of a network differ by {spread:.4f}, of which {error:.4f} is noise.")
    CONSOLE.print(
        "Rank correlation of score and gain, pooled over all layers and by ranks within networks; "
        "how often the layer first by score is among the two best to widen, or beats `uniform`."
    )
    CONSOLE.print(verdicts(found, criteria))


if __name__ == "__main__":
    main()
