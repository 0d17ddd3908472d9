"""Gains: what widening a layer gains, measured by retraining, compared with scores of layers.

    python -m benchmarks.gains                             # hold scores against the stored gains
    python -m benchmarks.gains --score narrowest my.module.function --metric accuracy
    python -m benchmarks.gains --train 2 --jobs 2          # first add two rounds of seeds

Each network of `gain_networks.py` was trained with many seeds, with each layer widened in turn, and
with all layers widened, at equal added parameters. A gain is the fall of the loss, or the rise of
the accuracy, on held-out samples. `data/gains` holds what was measured, seed by seed, and the
networks of the first seeds, so that a score can be tried without training. A stopped training goes
on where it was. `gain_scores.py` says how scores are named.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.data import load
from benchmarks.gain_networks import Study, studies
from benchmarks.gain_scores import DEFAULT, Scored, needed
from benchmarks.gain_tables import reliability, table_of_gains, table_of_scores, truths
from benchmarks.measured_gains import FOLDER, KEPT, Store
from benchmarks.options import CONSOLE
from benchmarks.processes import run

RELIABLE = 0.8
"""The reliability of a network's gains from which on it gets no more seeds."""
AT_LEAST = 2
"""The rounds of seeds that every network gets."""


def train(store: Store, chosen: Sequence[Study], rounds: int, jobs: int) -> None:
    """Add up to `rounds` rounds of seeds to the networks whose gains are not yet reliable."""
    for _ in range(rounds):
        wanting = {study: store.seeds(study) // study.seeds_together for study in chosen}
        wanting = {study: done for study, done in wanting.items() if wants(store, study, done)}
        run("training", store.add_seeds, sorted(wanting, key=wanting.__getitem__), jobs)


def wants(store: Store, study: Study, rounds: int) -> bool:
    """Return whether a network with so many rounds of seeds needs more."""
    return rounds < AT_LEAST or reliability(store.gains(study)) < RELIABLE


def analyse(scored: Scored) -> None:
    scored.analyse()


def _options() -> argparse.Namespace:
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--score", nargs="+", default=DEFAULT, metavar="NAME", dest="scores")
    result.add_argument("--metric", choices=("loss", "accuracy"), default="loss")
    result.add_argument(
        "--train",
        type=int,
        default=0,
        metavar="N",
        help="add N rounds of seeds, where they are needed",
    )
    result.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    result.add_argument("--limit", type=int, metavar="N", help="only the first N networks")
    result.add_argument("--folder", type=Path, default=FOLDER, help="of the measured gains")
    return result.parse_args()


def main() -> None:
    options = _options()
    store, chosen = Store(options.folder), studies(options.limit)
    for data in {study.data for study in chosen}:
        load(data, 1, 0)  # here, since a data set that is missing would end a process of the pool
    train(store, chosen, options.train, options.jobs)
    measured = truths(store, [study for study in chosen if store.seeds(study)], options.metric)
    if not measured:
        raise SystemExit(f"{options.folder} has no gains yet: give --train 1.")
    analyses = {
        scored
        for truth in measured
        for name in options.scores
        for seed in range(KEPT)
        if (scored := needed(store, truth.gains.study, seed, name))
    }
    run(
        "analysing",
        analyse,
        [scored for scored in analyses if not scored.path.exists()],
        options.jobs,
    )
    CONSOLE.print(f"Gains in held-out {options.metric}, × 1000, by widening each layer.")
    CONSOLE.print(table_of_gains(measured))
    CONSOLE.print(
        f"Rank correlation of scores and gains within {len(measured)} networks, ± the bootstrap "
        "error over networks; how often the layer with the highest score is among the two best to "
        "widen, and beats `uniform`; and the correlation by kind."
    )
    CONSOLE.print(table_of_scores(store, measured, options.scores))


if __name__ == "__main__":
    main()
