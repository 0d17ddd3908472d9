"""What verdicts on planted networks rest on: one file a network in `data/planted`, two seeds each.

Each file has what a rule needs, so that rules can be tried without training: the structures of each
layer, their ranks and their worth, also without each group of batches.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.data import load
from benchmarks.gain_architectures import layer_names
from benchmarks.planted_networks import Planted
from benchmarks.scoring import SAMPLES
from benchmarks.stacked_training import evaluate, fit
from benchmarks.training import write
from narrows import Analysis, analyze
from narrows.methods.ranking import PruningOrder
from narrows.verdict.comparable import Cases
from narrows.verdict.jackknife import replicates
from narrows.verdict.rule import Judge
from narrows.verdict.verdict import Verdict
from narrows.verdict.worth import Worth
from narrows.vocabulary import RuleName

FOLDER = Path(__file__).parent / "data" / "planted"
SEEDS = 2
BATCH = 64


@dataclass(frozen=True)
class Evidence:
    """The evidence on one trained network; `narrow` are its planted cases."""

    network: Planted
    seed: int
    accuracy: float
    samples: int
    cases: Cases
    narrow: frozenset[bytes]
    order: PruningOrder
    replicates: list[PruningOrder]
    worth: Worth

    def verdicts(self, rule: RuleName, least_promise: float) -> dict[bytes, Verdict]:
        """Return the verdicts by the current rule, with this constant."""
        judge = Judge(
            self.order,
            self.replicates,
            0.5,
            self.samples,
            rule=rule,
            worth=self.worth,
            least_promise=least_promise,
        )
        return judge.verdicts(self.cases)


@dataclass(frozen=True)
class Store:
    """The evidence on planted networks in a folder."""

    folder: Path = FOLDER

    def path(self, of: Planted) -> Path:
        return self.folder / f"{of.name}.npz"

    def measure(self, of: Planted) -> None:
        """Train a network with all seeds, analyse it and store the evidence, if it is not there."""
        if self.path(of).exists():
            return
        torch.set_num_threads(1)
        data = [load(of.data, of.schedule.samples, seed) for seed in range(SEEDS)]
        networks = fit(of.architecture, of.schedule, data, range(SEEDS))
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for seed, (network, d) in enumerate(zip(networks, data, strict=True)):
            images, classes = (torch.split(x[:SAMPLES], BATCH) for x in (d.images, d.classes))
            analysis = analyze(network, zip(images, classes, strict=True), progress=False)
            accuracy = evaluate(network, d.held_out_images, d.held_out_classes)[1]
            arrays |= {f"{seed}_{k}": v for k, v in to_arrays(analysis, accuracy).items()}
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **arrays)
        write(self.path(of), content.getvalue())

    def read(self, of: Planted) -> list[Evidence]:
        """Return the evidence of each seed; empty if none is stored."""
        if not self.path(of).exists():
            return []
        with np.load(self.path(of)) as stored:
            arrays = dict(stored)
        return [
            _evidence(of, seed, {k[2:]: v for k, v in arrays.items() if k.startswith(f"{seed}_")})
            for seed in range(SEEDS)
        ]


def to_arrays(analysis: Analysis, accuracy: float) -> dict[str, np.ndarray[Any, Any]]:
    """Return the evidence that an analysis has, as small arrays."""
    cases, worth = analysis.cases, analysis.worth
    assert worth is not None
    orders = [analysis.order, *replicates(analysis.method, analysis.partial_sums)]
    owned = list(cases.owned.values())
    of_layers = {layer.name: layer.own.tobytes() for layer in analysis.channels.layers}
    place = {case: number for number, case in enumerate(cases.owned)}
    apart = worth.without / np.where(worth.of_structures > 0, worth.of_structures, 1) - 1
    return {
        "accuracy": np.array(accuracy),
        "samples": np.array(analysis.samples),
        "sizes": np.array([len(own) for own in owned], np.int16),
        "owned": np.concatenate(owned).astype(np.int16),
        "kinds": np.array(list(cases.kinds.values())),
        "layers": np.array([n for n, case in of_layers.items() if case in place]),
        "case_of_layer": np.array([place[c] for c in of_layers.values() if c in place], np.int16),
        "saliency": analysis.order.saliency.astype(np.float32),
        "ranks": np.array([order.rank for order in orders], np.int16),
        "worth": worth.of_structures.astype(np.float32),
        "without": apart.astype(np.float16),
    }


def _evidence(of: Planted, seed: int, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Evidence:
    ends = np.cumsum(arrays["sizes"].astype(np.int64))
    parts = np.split(arrays["owned"].astype(np.int64), ends[:-1])
    keys = [own.tobytes() for own in parts]
    kinds = [(bool(several), bool(block)) for several, block in arrays["kinds"].tolist()]
    cases = Cases(dict(zip(keys, parts, strict=True)), dict(zip(keys, kinds, strict=True)))
    case_of = dict(zip(arrays["layers"].tolist(), arrays["case_of_layer"].tolist(), strict=True))
    names = layer_names(of.architecture)
    saliency, worth = (arrays[name].astype(np.float64) for name in ("saliency", "worth"))
    order, *others = (
        PruningOrder(saliency, rank, rank.astype(np.float64))
        for rank in arrays["ranks"].astype(np.int64)
    )
    return Evidence(
        of,
        seed,
        float(arrays["accuracy"]),
        int(arrays["samples"]),
        cases,
        frozenset(keys[case_of[names[n - 1]]] for n in of.narrow),
        order,
        others,
        Worth(worth, worth * (1 + arrays["without"].astype(np.float64))),
    )
