"""Planted narrow layers: how often verdicts name them, and how often they raise false alarms.

    python -m benchmarks.planted --methods sosp_h,joint --gates channel --jobs 2

Trains 192 small networks once (stored in the cache folder, NARROWS_BENCHMARKS), analyses each once
by every method and gate, and computes their verdicts with the current rule. Goals: a narrow layer
with a quarter of its neighbours' width is named in at least 90 % of the networks. In at least 95 %
of the plain networks without a narrow layer, no layer is named. In 90 to 99 % of the layers, the
interval from a quarter of the data holds the ratio from all data.
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
    """The layers of a network (from 1) with the verdict bottleneck (`named`) or `suspected`.

    `covered` says for each layer whether an interval from a quarter of the data holds its ratio.
    """

    network: Planted
    named: frozenset[int]
    suspected: frozenset[int]
    covered: tuple[bool, ...]

    @property
    def detected(self) -> int:
        """The number of narrow layers that are named."""
        return len(self.named.intersection(self.network.narrow))


def judge(criterion: Criterion, network: Planted) -> Judged:
    """Return the verdicts on a network that has been analysed."""
    result = analysis(network.recipe, criterion)
    rows = {row["name"]: row for row in result.layers}
    verdicts = [rows[name]["verdict"] for name in layer_names(network.recipe)]
    return Judged(
        network,
        frozenset(n for n, verdict in enumerate(verdicts, 1) if verdict == "bottleneck"),
        frozenset(n for n, verdict in enumerate(verdicts, 1) if verdict == "suspected"),
        coverage(result, layer_names(network.recipe)),
    )


def coverage(result: Analysis, names: Sequence[str]) -> tuple[bool, ...]:
    """Return for each layer whether the interval from a quarter of the data holds the ratio."""
    whole = {row["name"]: row["pruning_ratio"] for row in result.layers}
    quarter = {row["name"]: row["interval"] for row in first_quarter(result).layers}
    return tuple(
        quarter[name][0] <= whole[name] <= quarter[name][1] for name in names if quarter[name]
    )


def first_quarter(result: Analysis) -> Analysis:
    """Return the analysis of the first quarter of the batches."""
    first = np.arange(len(result.partial_sums)) < max(1, len(result.partial_sums) // 4)
    return replace(result, partial_sums=result.partial_sums.chosen(first))


def summary(judged: Sequence[Judged]) -> str:
    """Return recall, the share suspected, and precision; or the share of clean networks.

    A network without a narrow layer is clean if no layer is named.
    """
    if not any(row.network.narrow for row in judged):
        clean = sum(not row.named for row in judged)
        return f"{clean / len(judged):.0%} clean of {len(judged)}"
    planted = sum(len(row.network.narrow) for row in judged)
    detected, named = sum(row.detected for row in judged), sum(len(row.named) for row in judged)
    suspected = sum(len(row.suspected.intersection(row.network.narrow)) for row in judged)
    precision = f"{detected / named:.0%}" if named else "–"
    return f"{detected / planted:.0%} (+{suspected / planted:.0%}), {precision}"


def table(title: str, by_criterion: dict[Criterion, list[Judged]]) -> Table:
    settings = sorted({row.network.setting for rows in by_criterion.values() for row in rows})
    result = Table("method/gate", *settings, "covered", title=title)
    for criterion, judged in by_criterion.items():
        cells = [summary([row for row in judged if row.network.setting == s]) for s in settings]
        covered = [hit for row in judged for hit in row.covered]
        result.add_row(str(criterion), *cells, f"{np.mean(covered):.0%}" if covered else "–")
    return result


def main() -> None:
    options = _options()
    networks = planted_networks()[: options.limit]
    recipes = [network.recipe for network in networks]
    criteria = prepare(recipes, recipes, options)
    judged = {criterion: list(map(partial(judge, criterion), networks)) for criterion in criteria}
    CONSOLE.print(
        "Narrow layers that are named (+ only suspected), precision; networks that are clean."
    )
    CONSOLE.print(table(f"{len(networks)} networks", judged))
    for name, split in SPLITS.items() if options.details else ():
        for value in sorted(set(map(split, networks))):
            chosen = {
                criterion: [row for row in rows if split(row.network) == value]
                for criterion, rows in judged.items()
            }
            CONSOLE.print(table(f"{name} {value}", chosen))


def _options() -> argparse.Namespace:
    result = parser(__doc__ or "")
    result.add_argument("--details", action="store_true", help="also by architecture, data, layer")
    return result.parse_args()


if __name__ == "__main__":
    main()
