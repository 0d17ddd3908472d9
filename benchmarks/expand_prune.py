"""Does it pay to widen a network, train it, and prune it back? The paper's Figure 3.

    python -m benchmarks.expand_prune --seeds 5

Small networks for 8×8 images, with a planted narrow layer, are trained from scratch as they are
(`original`), and with the widths of `double`, `uniform` and `advise` (the last two with 25 % more
parameters), pruned back to at most the original's parameters in the middle, and trained on. All
have the same number of steps. The plans come from an analysis of a network that another seed has
trained. Each run is stored (in the cache folder, NARROWS_BENCHMARKS), so that a stop loses none.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.architecture import Architecture
from benchmarks.data import load
from benchmarks.gain_architectures import build
from benchmarks.training import CACHE, write
from narrows.analysis import Analysis
from narrows.analyze_module import analyze
from narrows.arrays import Ints
from narrows.graph.from_export import as_network
from narrows.plans.planner import Planner
from narrows.trials.data import TrialData
from narrows.trials.options import FineTune, Recipe, TrialOptions
from narrows.trials.result import RunResult
from narrows.trials.run import TrainingRun
from narrows.trials.subject import TrialSubject
from narrows.trials.variants import Variant, variants
from narrows.vocabulary import ORIGINAL

VARIANTS = (ORIGINAL, "uniform.expand_prune", "double.expand_prune", "advise.expand_prune")
PLANNING = 1000
"""The seed of the network whose analysis makes the plans."""
BUDGET = 0.25
"""The share of parameters that `uniform` and `advise` add: with less, no width changes."""
SAMPLES = {"digits": 1797, "fashion8": 6000}
HOLDOUT = 1 / 3
RECIPES = {
    "digits": Recipe(learning_rate=1e-2, weight_decay=0.1, warmup=0.2, epochs=24, batch_size=100),
    "fashion8": Recipe(learning_rate=1e-2, weight_decay=0.01, warmup=0.2, epochs=7, batch_size=100),
}
NETWORKS = (Architecture("plain", (12, 3, 12, 12)), Architecture("mlp", (24, 4, 24)))


@dataclass(frozen=True)
class Network:
    """A network to try, and its data."""

    architecture: Architecture
    data: str

    def __str__(self) -> str:
        widths = "-".join(map(str, self.architecture.widths))
        return f"{self.architecture.kind} {widths}, {self.data}"


def networks() -> list[Network]:
    """Return all networks, those of one data set beside those of the other."""
    return [Network(architecture, data) for architecture in NETWORKS for data in SAMPLES]


def result(network: Network, variant: str, seed: int) -> RunResult | None:
    """Return the result of a run, trained now unless it is stored; None without such a variant."""
    path = _path(network, f"{variant}.{seed}")
    if not path.exists():
        chosen = next((v for v in _variants(network) if v.name == variant), None)
        if chosen is None:
            return None
        run = TrainingRun.start(_subject(network), chosen, seed)
        run.advance(run.steps)
        write(path, json.dumps(run.result().to_json()).encode())
    return RunResult.from_json(json.loads(path.read_text()))


@cache
def _subject(network: Network) -> TrialSubject:
    torch.manual_seed(0)
    module = build(network.architecture)
    data = load(network.data, SAMPLES[network.data], 0)
    options = TrialOptions(
        plans=("double", "uniform", "advise"),
        variants=("expand_prune",),
        recipe=RECIPES[network.data],
        fine_tune=FineTune(0.5),
        holdout=HOLDOUT,
    )
    samples = TrialData.of_tensors(data.images, data.classes)
    return TrialSubject.prepare(as_network(module, (data.images[:2],)), samples, options)


@cache
def _variants(network: Network) -> tuple[Variant, ...]:
    """Return the variants, whose plans are stored with the results."""
    path = _path(network, "variants")
    if not path.exists():
        chosen, _ = variants(_subject(network), _plans(network))
        write(path, json.dumps([variant.to_json() for variant in chosen]).encode())
    return tuple(map(Variant.from_json, json.loads(path.read_text())))


def _plans(network: Network) -> dict[str, Ints]:
    """Return the copies of each plan, by the analysis of a network that was trained to the end."""
    subject = _subject(network)
    ones = np.ones(len(subject.channels), np.int64)
    first, _ = variants(subject, {"twice": 2 * ones})
    run = TrainingRun.start(subject, first[0], PLANNING)
    run.advance(run.steps)
    analysis = _analysis(run, subject)
    double = analysis.plans["double"]
    advise = analysis.advise(BUDGET)
    planner = Planner(analysis.network, analysis.shapes, analysis.channels, analysis.rank)
    uniform = planner.uniform_within(int((1 + BUDGET) * double.before.parameters))
    return {"double": double.copies, "uniform": uniform.copies, "advise": advise.copies}


def _analysis(run: TrainingRun, subject: TrialSubject) -> Analysis:
    train = subject.split(PLANNING).train[:2048]
    batches = [(part.inputs, part.targets) for part in subject.load(train).split(32)]
    return analyze(run.trained().module(), batches, progress=False)


def _path(network: Network, name: str) -> Path:
    return CACHE / "expand_prune" / f"{network}, {name}.json"


@dataclass(frozen=True)
class Row:
    """The results of a variant, each with that of the original, the same network and seed."""

    variant: str
    pairs: tuple[tuple[RunResult, RunResult], ...]

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table: means, and gains with their standard errors."""
        own = [b for _, b in self.pairs]
        size = np.mean([b.parameters / a.parameters for a, b in self.pairs])
        return (
            self.variant,
            str(len(self.pairs)),
            f"{size:.3f}",
            f"{_mean([r.loss for r in own]):.4f}",
            f"{_mean([r.accuracy for r in own]):.2%}",
            _with_error(
                [_known(a.loss) - _known(b.loss) for a, b in self.pairs], "{:+.4f} ± {:.4f}"
            ),
            _with_error(
                [100 * (_known(b.accuracy) - _known(a.accuracy)) for a, b in self.pairs],
                "{:+.2f} ± {:.2f}",
            ),
            f"{np.mean([_known(b.loss) < _known(a.loss) for a, b in self.pairs]):.0%}",
        )


def rows(network: Network, seeds: Sequence[int]) -> Iterator[Row]:
    """Yield a row for each variant, of those runs that are stored, as is that of the original."""
    for name in VARIANTS:
        pairs = [(_stored(network, ORIGINAL, seed), _stored(network, name, seed)) for seed in seeds]
        yield Row(name, tuple((a, b) for a, b in pairs if a and b))


def _stored(network: Network, variant: str, seed: int) -> RunResult | None:
    """Return the result of a run; None where it is not stored, or has ended with an error."""
    path = _path(network, f"{variant}.{seed}")
    stored = RunResult.from_json(json.loads(path.read_text())) if path.exists() else None
    return stored if stored and stored.error is None else None


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([_known(value) for value in values]))


def _with_error(values: Sequence[float], form: str) -> str:
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return form.format(float(np.mean(values)), float(error))


def table(network: Network, found: Sequence[Row]) -> Table:
    columns = ("variant", "runs", "size", "loss", "accuracy", "gain", "accuracy gain", "wins")
    result = Table(*columns, title=str(network))
    for row in found:
        if row.pairs:
            result.add_row(*row.cells())
    return result


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    chosen, seeds = networks(), range(options.seeds)
    for seed in () if options.table else seeds:  # a stop leaves all networks with as many seeds
        for network in chosen:
            for variant in VARIANTS:
                result(network, variant, seed)
    console = Console(width=120)
    for network in chosen:
        console.print(table(network, list(rows(network, seeds))))


def _options() -> argparse.Namespace:
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--seeds", type=int, default=5, metavar="N")
    result.add_argument("--table", action="store_true", help="print what is stored, train nothing")
    return result.parse_args()


if __name__ == "__main__":
    main()
