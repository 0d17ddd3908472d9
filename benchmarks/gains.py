"""Gains: how much the loss falls if a layer is widened, compared with the layer's score.

    python -m benchmarks.gains --limit 4 --seeds 2 --jobs 2

Trains each network, its variants with one wider layer, and one variant with all layers wider, at
equal added parameters, with several seeds. A gain is the fall of the loss on held-out samples. All
results are stored in the cache folder (NARROWS_BENCHMARKS), so the benchmark can be stopped and
started again. Goals: a rank correlation of score and gain of at least 0.6. In at least 80 % of the
networks, the layer with the highest score is among the two best to widen, and beats `uniform`.
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
    """The gains from widening each layer, [seeds, layers], and all layers, [seeds]."""

    study: Study
    layers: Floats
    uniform: Floats

    @property
    def mean(self) -> Floats:
        result: Floats = self.layers.mean(axis=0)
        return result

    @property
    def error(self) -> float:
        """The standard error of a layer's mean gain, relative to the other layers of the network.

        An effect of the seed on all variants, such as on the network that they are compared with,
        does not count: it does not change the comparison of layers.
        """
        if len(self.layers) < 2:
            return np.nan
        apart = self.layers - self.layers.mean(axis=1, keepdims=True)
        return float(np.sqrt(apart.var(axis=0, ddof=1).mean() / len(apart)))


def gains(study: Study) -> Gains:
    """Return the gains of a study whose networks have been trained."""
    losses = np.array(
        [[read(recipe).loss for recipe in study.recipes(seed)] for seed in range(study.seeds)]
    )
    fallen = losses[:, :1] - losses[:, 1:]
    return Gains(study, fallen[:, 1:], fallen[:, 0])


@dataclass(frozen=True)
class Case:
    """The scores [layers] of one trained network, and the mean gains [layers] of its recipe."""

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
    """Return the rank correlations, pooled and within networks, and how often the first is right.

    The first is the layer with the highest score.
    """
    scores, measured = np.array([c.scores for c in cases]), np.array([c.gains for c in cases])
    return [
        f"{_correlation(scores, measured):.2f}",
        f"{_correlation(stats.rankdata(scores, axis=1), stats.rankdata(measured, axis=1)):.2f}",
        f"{np.mean([case.first_is_among_two_best for case in cases]):.0%}",
        f"{np.mean([case.first_beats_uniform for case in cases]):.0%}",
    ]


def _correlation(a: Floats, b: Floats) -> float:
    return float(stats.spearmanr(a.ravel(), b.ravel()).statistic)


def truth(measured: Sequence[Gains]) -> Table:
    """Return a table of the mean gains, one row for each network."""
    result = Table("network", "widths", *layer_names(measured[0].study.base), "uniform", "error")
    for network in measured:
        base = network.study.base
        values = (*network.mean, network.uniform.mean())
        result.add_row(
            f"{base.data} {base.architecture}",
            " ".join(map(str, base.widths)),
            *(f"{value:+.3f}" for value in values),
            f"{network.error:.3f}",
        )
    return result


def verdicts(measured: Sequence[Gains], criteria: Sequence[Criterion]) -> Table:
    """Return a table that compares scores with gains, one row for each criterion."""
    result = Table("score", "pooled", "within", "in two best", "beats uniform")
    for criterion in criteria:
        cases = [
            Case(_scores(network.study, seed, criterion), network.mean, network.uniform.mean())
            for network in measured
            for seed in range(network.study.seeds)
        ]
        result.add_row(str(criterion), *compare(cases))
    narrowest = [
        Case(-np.array(network.study.base.widths, float), network.mean, network.uniform.mean())
        for network in measured
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
    ]  # one seed of every network before the next seed, so that the run may be stopped early
    trained = [recipe for study, seed in rounds for recipe in study.recipes(seed)]
    bases = [replace(study.base, seed=seed) for study, seed in rounds]
    criteria = prepare(trained, bases, options)
    measured = [gains(study) for study in chosen]
    CONSOLE.print("Gains in held-out loss by widening, and the standard error between layers.")
    CONSOLE.print(truth(measured))
    spread = np.mean([network.mean.std(ddof=1) for network in measured])
    error = np.mean([network.error for network in measured])
    CONSOLE.print(f"Layers of a network differ by {spread:.4f}, of which {error:.4f} is noise.")
    CONSOLE.print(
        "Rank correlation of score and gain, pooled over all layers and by ranks within networks; "
        "how often the layer with the highest score is among the two best to widen, or beats "
        "`uniform`."
    )
    CONSOLE.print(verdicts(measured, criteria))


if __name__ == "__main__":
    main()
