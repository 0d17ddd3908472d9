"""The networks and the runs of `benchmarks.expand_prune`, which are stored one by one."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

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


def train(network: Network, variant: str, seed: int) -> None:
    """Train a variant and store the result, unless it is stored or there is no such variant."""
    path = _path(network, f"{variant}.{seed}")
    chosen = None if path.exists() else {v.name: v for v in _variants(network)}.get(variant)
    if chosen:
        run = TrainingRun.start(_subject(network), chosen, seed)
        run.advance(run.steps)
        write(path, json.dumps(run.result().to_json()).encode())


def read(network: Network, variant: str, seed: int) -> RunResult | None:
    """Return the result of a run; None where it is not stored, or has ended with an error."""
    path = _path(network, f"{variant}.{seed}")
    stored = RunResult.from_json(json.loads(path.read_text())) if path.exists() else None
    return stored if stored and stored.error is None else None


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
