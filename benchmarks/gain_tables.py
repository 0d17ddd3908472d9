"""The tables of `benchmarks.gains`: measured gains, and how well scores agree with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from rich.table import Table

from benchmarks.gain_networks import Study
from benchmarks.gain_scores import score
from benchmarks.measured_gains import KEPT, Gains, Store
from benchmarks.rank_agreement import (
    Agreement,
    agreement,
    bootstrap_error,
    chosen_on_others,
    split_half,
    stepped_up,
)
from narrows.arrays import Floats

BASELINE = "narrowest"


@dataclass(frozen=True)
class Truth:
    """The gains of one network, and the rank correlation of two halves of the seeds."""

    gains: Gains
    halves: float

    @property
    def kind(self) -> str:
        return self.gains.study.base.kind

    def agreements(self, store: Store, name: str) -> list[Agreement]:
        """Compare the scores of each kept network with the mean gains over all seeds."""
        study, mean = self.gains.study, self.gains.mean
        uniform = float(self.gains.uniform.mean())
        seeds = range(1 if name == BASELINE else KEPT)
        return [agreement(score(store, study, seed, name), mean, uniform) for seed in seeds]


def reliability(gains: Gains) -> float:
    """Return the split-half reliability of a network's mean gains."""
    return stepped_up(split_half(gains.layers))


def truths(store: Store, chosen: Sequence[Study], metric: str) -> list[Truth]:
    measured = [store.gains(study, metric) for study in chosen]
    return [Truth(gains, split_half(gains.layers)) for gains in measured]


def table_of_gains(measured: Sequence[Truth]) -> Table:
    """Return a row for each network: its mean gains, by layer, and how reliable they are."""
    result = Table(
        "network", "seeds", "gain of each layer × 1000", "uniform", "error", "reliability"
    )
    for truth in measured:
        gains = truth.gains
        apart = gains.layers - gains.layers.mean(axis=1, keepdims=True)
        error = np.sqrt(apart.var(axis=0, ddof=1).mean() / len(apart))
        result.add_row(
            gains.study.name,
            str(len(apart)),
            " ".join(f"{1000 * value:.0f}" for value in gains.mean),
            f"{1000 * gains.uniform.mean():.0f}",
            f"{1000 * error:.1f}",
            f"{stepped_up(truth.halves):.2f}",
        )
    return result


def table_of_scores(store: Store, measured: Sequence[Truth], names: Sequence[str]) -> Table:
    """Return a row for each score: its rank correlation with gains, in all and by kind."""
    kinds = [truth.kind for truth in measured]
    result = Table(
        "score", "within", f"− {BASELINE}", "in two best", "beats uniform", *_order(kinds)
    )
    found = {name: [truth.agreements(store, name) for truth in measured] for name in names}
    baseline = _means([truth.agreements(store, BASELINE) for truth in measured], "correlation")
    correlations = np.array([_means(found[name], "correlation") for name in names])
    add = partial(_add_row, result, kinds=kinds, baseline=baseline)
    for name, values in zip(names, correlations, strict=True):
        shares = [_means(found[name], which).mean() for which in ("in_two_best", "beats_uniform")]
        add(name, values, [f"{share:.0%}" for share in shares])
    candidates = [n for n, name in enumerate(names) if name != BASELINE]
    if len(candidates) > 1 and len(set(kinds)) > 1:
        values, choices = chosen_on_others(correlations[candidates], kinds)
        add("chosen on the other kinds", values, ["", ""])
        said = ", ".join(f"{kind}: {names[candidates[choices[kind]]]}" for kind in _order(kinds))
        result.caption = f"Chosen on the others for {said}."
    halves = np.array([truth.halves for truth in measured])
    reliability = [stepped_up(halves[_of(kinds, kind)].mean()) for kind in _order(kinds)]
    result.add_section()
    result.add_row(
        "reliability of the gains",
        f"{stepped_up(halves.mean()):.2f}",
        *("", "", ""),
        *(f"{value:.2f}" for value in reliability),
    )
    return result


def _add_row(
    table: Table,
    name: str,
    values: Floats,
    shares: Sequence[str],
    *,
    kinds: Sequence[str],
    baseline: Floats,
) -> None:
    table.add_row(
        name,
        _with_error(values),
        _with_error(values - baseline, "+"),
        *shares,
        *(f"{values[_of(kinds, kind)].mean():.2f}" for kind in _order(kinds)),
    )


def _with_error(values: Floats, sign: str = "") -> str:
    return f"{values.mean():{sign}.2f} ± {bootstrap_error(values):.2f}"


def _means(found: Sequence[Sequence[Agreement]], which: str) -> Floats:
    return np.array([np.mean([getattr(one, which) for one in network]) for network in found])


def _of(kinds: Sequence[str], kind: str) -> list[int]:
    return [n for n, other in enumerate(kinds) if other == kind]


def _order(kinds: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(kinds))
