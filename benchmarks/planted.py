"""Planted narrow layers: how often verdicts name them, and how often they raise false alarms.

    python -m benchmarks.planted                    # by the stored evidence, without training
    python -m benchmarks.planted --rule pruning_ratio --details
    python -m benchmarks.planted --fit              # a constant for each kind from the other kinds
    python -m benchmarks.planted --train 40 --jobs 2

Small networks of five kinds, with layers at a part of their neighbours' width, and without, were
trained and analysed by `sosp_i` with channel gates; `data/planted` has what verdicts rest on.
`--train N` adds networks until there are N. The rule `worth` has one constant, the least promise of
a bottleneck: `--fit` chooses it for each kind of network on the others, and counts on that kind.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rich.table import Table

from benchmarks.options import CONSOLE
from benchmarks.planted_evidence import Evidence, Store
from benchmarks.planted_networks import planted_networks
from benchmarks.processes import run
from benchmarks.rank_agreement import bootstrap_error
from narrows.verdict.promise import HIGH
from narrows.vocabulary import RULES, RuleName

CANDIDATES = (2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 8.0)
"""The least promises that `--fit` tries."""
CLEAN = 0.95
"""The share of networks in which no layer is to be named wrongly."""


@dataclass(frozen=True)
class Judged:
    """A trained network, with its verdicts by the rule and the least promise of a bottleneck."""

    evidence: Evidence
    rule: RuleName = "worth"
    least_promise: float = HIGH

    @cached_property
    def _verdicts(self) -> dict[bytes, str]:
        verdicts = self.evidence.verdicts(self.rule, self.least_promise)
        return {case: verdict.verdict for case, verdict in verdicts.items()}

    def share(self, verdict: str, *, of_narrow: bool) -> float:
        """Return the share of the planted layers, or of the others, that have this verdict."""
        planted = self.evidence.narrow
        found = [v == verdict for c, v in self._verdicts.items() if (c in planted) == of_narrow]
        return float(np.mean(found)) if found else np.nan

    @property
    def has_found_all(self) -> bool:
        """Whether every planted layer is named."""
        return self.share("bottleneck", of_narrow=True) == 1

    @property
    def is_clean(self) -> bool:
        """Whether no layer is named that was not planted."""
        return self.share("bottleneck", of_narrow=False) == 0


def fitted(evidence: Sequence[Evidence]) -> Mapping[str, float]:
    """Return for each kind of network the constant that is best on the other kinds.

    That is the least one with which enough of the networks are clean: it finds the most.
    """
    result = {}
    for kind in sorted({_kind(e) for e in evidence}):
        others = [e for e in evidence if _kind(e) != kind]
        result[kind] = next(
            (
                least
                for least in CANDIDATES
                if np.mean([Judged(e, least_promise=least).is_clean for e in others]) >= CLEAN
            ),
            CANDIDATES[-1],
        )
    return result


def table(judged: Sequence[Judged], by: Callable[[Judged], str]) -> Table:
    """Return a row for each setting: what became of planted layers, and of others."""
    result = Table(
        "setting", "networks", "planted: named", "all named", "suspected",
        "others: clean", "suspected", "redundant",
    )  # fmt: skip
    for setting in dict.fromkeys(sorted(map(by, judged))):
        rows = [row for row in judged if by(row) == setting]
        planted = bool(rows[0].evidence.narrow)
        result.add_row(
            setting,
            str(len(rows)),
            *(
                _share(rows, value) if planted else ""
                for value in (
                    lambda row: row.share("bottleneck", of_narrow=True),
                    lambda row: row.has_found_all,
                    lambda row: row.share("suspected", of_narrow=True),
                )
            ),
            _share(rows, lambda row: row.is_clean),
            _share(rows, lambda row: row.share("suspected", of_narrow=False)),
            _share(rows, lambda row: row.share("redundant", of_narrow=False)),
        )
    return result


def _share(rows: Sequence[Judged], value: Callable[[Judged], float]) -> str:
    """Return a mean over networks, ± the bootstrap error over architectures."""
    of_architecture: dict[str, list[float]] = {}
    for row in rows:
        of_architecture.setdefault(row.evidence.network.name, []).append(float(value(row)))
    means = np.array([np.mean(values) for values in of_architecture.values()])
    return f"{means.mean():.0%} ± {bootstrap_error(means):.0%}"


def _setting(judged: Judged) -> str:
    return judged.evidence.network.setting


def _kind(evidence: Evidence) -> str:
    return evidence.network.architecture.kind


def main() -> None:
    options = _options()
    store, networks = Store(), planted_networks()
    missing = [network for network in networks if not store.path(network).exists()]
    wanted = max(0, options.train - len(networks) + len(missing))
    run("training", store.measure, missing[:wanted], options.jobs)
    evidence = [one for network in networks for one in store.read(network)]
    least = fitted(evidence) if options.fit else dict.fromkeys(map(_kind, evidence), options.least)
    if options.fit:
        said = ", ".join(f"{kind} {value:g}" for kind, value in least.items())
        CONSOLE.print(f"The least promise, chosen on the other kinds: {said}.")
    judged = [Judged(one, options.rule, least[_kind(one)]) for one in evidence]
    CONSOLE.print(table(judged, _setting))
    if options.details:
        CONSOLE.print(
            table(judged, lambda row: f"{row.evidence.network.setting}, {_kind(row.evidence)}")
        )


def _options() -> argparse.Namespace:
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--rule", choices=RULES, default="worth")
    result.add_argument("--least", type=float, default=HIGH, help="the least promise")
    result.add_argument("--fit", action="store_true", help="choose it on the other kinds")
    result.add_argument("--details", action="store_true", help="also by kind of network")
    result.add_argument("--train", type=int, default=0, metavar="N", help="until there are N")
    result.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    return result.parse_args()


if __name__ == "__main__":
    main()
