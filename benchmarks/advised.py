"""Advised: what the plan `advise` gains in retraining, beside others that add as many parameters.

    python -m benchmarks.advised                     # the table, from the stored losses
    python -m benchmarks.advised --train --jobs 2    # plan and train what is missing first

Each plan is made for the networks of `benchmarks.gains`, by the analyses of two kept networks, and
is trained with the same seeds as the original. `data/advised` holds plans and losses. A stopped
training goes on where it was.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from scipy import stats

from benchmarks.advised_losses import Losses
from benchmarks.advised_plans import ADVISE, PLANS, UNIFORM
from benchmarks.data import load
from benchmarks.gain_networks import studies
from benchmarks.options import CONSOLE
from benchmarks.processes import run
from benchmarks.rank_agreement import bootstrap_error
from narrows.arrays import Floats


@dataclass(frozen=True)
class Outcome:
    """The gain of each plan for one network, as a share of the original's held-out loss."""

    name: str
    kind: str
    gains: dict[str, float]
    error: float
    """The standard error over seeds of `advise` − `uniform`."""

    @classmethod
    def of(cls, losses: Losses) -> "Outcome":
        gains = {name: of_seeds / losses.loss for name, of_seeds in losses.gains().items()}
        apart = gains[ADVISE] - gains[UNIFORM]
        error = float(apart.std(ddof=1) / np.sqrt(len(apart)))
        means = {name: float(of_seeds.mean()) for name, of_seeds in gains.items()}
        return cls(losses.study.name, losses.study.base.kind, means, error)

    @property
    def advantage(self) -> float:
        """What `advise` gains more than `uniform`."""
        return self.gains[ADVISE] - self.gains[UNIFORM]


def wins(advantages: Floats) -> tuple[float, float, float]:
    """Return the share of positive advantages, and its 95 % interval (Clopper–Pearson).

    >>> [round(x, 2) for x in wins(np.array([1.0, 1.0, 1.0, -1.0]))]
    [0.75, 0.19, 0.99]
    """
    found = stats.binomtest(int((advantages > 0).sum()), len(advantages))
    limits = found.proportion_ci()
    return found.statistic, limits.low, limits.high


def table_of_networks(outcomes: Sequence[Outcome]) -> Table:
    result = Table("network", *PLANS, f"{ADVISE} − {UNIFORM}")
    for outcome in outcomes:
        gains = [f"{100 * outcome.gains[plan]:.1f}" for plan in PLANS]
        apart = f"{100 * outcome.advantage:+.1f} ± {100 * outcome.error:.1f}"
        result.add_row(outcome.name, *gains, apart)
    return result


def table_of_kinds(outcomes: Sequence[Outcome]) -> Table:
    """Return a row for all networks, and one for each kind."""
    result = Table("kind", "networks", *PLANS, f"{ADVISE} − {UNIFORM}", "wins")
    for kind in ("all", *dict.fromkeys(outcome.kind for outcome in outcomes)):
        chosen = [outcome for outcome in outcomes if kind in ("all", outcome.kind)]
        gains = [_with_error([outcome.gains[plan] for outcome in chosen]) for plan in PLANS]
        advantages = [outcome.advantage for outcome in chosen]
        share, low, high = wins(np.array(advantages))
        apart = _with_error(advantages, "+")
        shares = f"{share:.0%} ({low:.0%} to {high:.0%})"
        result.add_row(kind, str(len(chosen)), *gains, apart, shares)
    return result


def _with_error(values: Sequence[float], sign: str = "") -> str:
    percents = 100 * np.array(values)
    error = f" ± {bootstrap_error(percents):.1f}" if len(percents) > 1 else ""
    return f"{percents.mean():{sign}.1f}{error}"


def _plan(losses: Losses) -> None:
    losses.plan()


def _train(losses: Losses) -> None:
    losses.train()


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--train", action="store_true", help="plan, and train what is missing")
    options.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    options.add_argument("--limit", type=int, metavar="N", help="only the first N networks")
    given = options.parse_args()
    every = [Losses(study) for study in studies(given.limit)]
    if given.train:
        for data in {losses.study.data for losses in every}:
            load(data, 1, 0)  # here, since a data set that is missing would end a process
        run("planning", _plan, every, given.jobs)
        run("training", _train, every, given.jobs)
    outcomes = [Outcome.of(losses) for losses in every if losses.is_complete()]
    if not outcomes:
        raise SystemExit("No network was trained yet: give --train.")
    CONSOLE.print("Gains at equal added parameters, in % of the original's held-out loss.")
    CONSOLE.print(table_of_networks(outcomes))
    CONSOLE.print("Means over networks ± the bootstrap error; how often advise beats uniform.")
    CONSOLE.print(table_of_kinds(outcomes))


if __name__ == "__main__":
    main()
