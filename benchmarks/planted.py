"""Planted narrow layers: which verdicts find them, and which raise false alarms.

    python -m benchmarks.planted --methods sosp_h,joint --gates channel --jobs 2

Trains 192 small networks once (kept in the cache folder, NARROWS_BENCHMARKS), analyses each by
every method and gate once, and judges them by the rule as it is now. Goals: the narrow layer is
named in at least 90 % where its width is a quarter of its neighbours', and no layer is in at least
95 % of the plain networks without one; intervals from a quarter of the data hold the ratio from all
of it in 90 to 99 % of layers.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from rich.table import Table

from benchmarks.options import CONSOLE, parser, prepare
from benchmarks.planted_networks import Planted, planted_networks
from benchmarks.scoring import Criterion, analysis, layer_names
from narrows.analysis import Analysis

SPLITS: dict[str, Callable[[Planted], str]] = {
    "architecture": lambda network: network.recipe.architecture,
    "data": lambda network: network.recipe.data,
    "layer": lambda network: "and ".join(f"conv{n} " for n in network.narrow),
}


@dataclass(frozen=True)
class Judged:
    """The layers of a network that verdicts name or suspect, and the share that intervals cover."""

    network: Planted
    named: frozenset[int]
    suspected: frozenset[int]
    covered: tuple[bool, ...]

    @property
    def found(self) -> int:
        return len(self.named.intersection(self.network.narrow))


def judge(criterion: Criterion, network: Planted) -> Judged:
    """Judge a network that has been analysed; layers count from 1."""
    found = analysis(network.recipe, criterion)
    rows = {row["name"]: row for row in found.layers}
    verdicts = [rows[name]["verdict"] for name in layer_names(network.recipe)]
    return Judged(
        network,
        frozenset(n for n, verdict in enumerate(verdicts, 1) if verdict == "bottleneck"),
        frozenset(n for n, verdict in enumerate(verdicts, 1) if verdict == "suspected"),
        coverage(found, layer_names(network.recipe)),
    )


def coverage(found: Analysis, names: Sequence[str]) -> tuple[bool, ...]:
    """Tell for each layer whether a quarter of the data gives an interval that holds the ratio."""
    whole = {row["name"]: row["pruning_ratio"] for row in found.layers}
    quarter = {row["name"]: row["interval"] for row in first_quarter(found).layers}
    return tuple(
        quarter[name][0] <= whole[name] <= quarter[name][1] for name in names if quarter[name]
    )


def first_quarter(found: Analysis) -> Analysis:
    """Return what the first quarter of the batches says."""
    first = np.arange(len(found.partial_sums)) < max(1, len(found.partial_sums) // 4)
    return replace(found, partial_sums=found.partial_sums.chosen(first))


def summary(judged: Sequence[Judged]) -> str:
    """Return recall and precision, and in brackets the share suspected; or the share of clean."""
    if not any(one.network.narrow for one in judged):
        clean = sum(not one.named for one in judged)
        return f"{clean / len(judged):.0%} clean of {len(judged)}"
    planted = sum(len(one.network.narrow) for one in judged)
    found, named = sum(one.found for one in judged), sum(len(one.named) for one in judged)
    suspected = sum(len(one.suspected.intersection(one.network.narrow)) for one in judged)
    precision = f"{found / named:.0%}" if named else "–"
    return f"{found / planted:.0%} (+{suspected / planted:.0%}), {precision}"


def table(title: str, by_criterion: dict[Criterion, list[Judged]]) -> Table:
    settings = sorted({one.network.setting for found in by_criterion.values() for one in found})
    result = Table("method/gate", *settings, "covered", title=title)
    for criterion, judged in by_criterion.items():
        cells = [summary([one for one in judged if one.network.setting == s]) for s in settings]
        covered = [hit for one in judged for hit in one.covered]
        result.add_row(str(criterion), *cells, f"{np.mean(covered):.0%}" if covered else "–")
    return result


def main() -> None:
    options = _options()
    networks = planted_networks()[: options.limit]
    recipes = [network.recipe for network in networks]
    found = prepare(recipes, recipes, options)
    judged = {criterion: list(map(partial(judge, criterion), networks)) for criterion in found}
    CONSOLE.print("Narrow layers named (and suspected besides), precision; clean networks of all.")
    CONSOLE.print(table(f"{len(networks)} networks", judged))
    for name, split in SPLITS.items() if options.details else ():
        for value in sorted(set(map(split, networks))):
            chosen = {
                c: [one for one in found if split(one.network) == value]
                for c, found in judged.items()
            }
            CONSOLE.print(table(f"{name} {value}", chosen))


def _options() -> argparse.Namespace:
    result = parser(__doc__ or "")
    result.add_argument("--details", action="store_true", help="also by architecture, data, layer")
    return result.parse_args()


if __name__ == "__main__":
    main()
