"""Stores the analysis of each trained network by each method, so that other rules can be tried.

The whole `Analysis` is stored, but not its verdicts: reading one computes them with the current
rule. Change VERSION, or pass `--rescore`, after a change of a method's numbers.
"""

import pickle
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.training import CACHE, Recipe, read, write
from narrows import Analysis, analyze

VERSION = 3
SAMPLES = 2048
BATCH = 256
METHODS = ("sosp_h", "sosp_i", "joint", "obs", "first_order", "fisher", "magnitude", "exact")
GATES = ("weights", "channel")


@dataclass(frozen=True)
class Criterion:
    """A method and the place of its gates; `str()` names both."""

    method: str = "sosp_h"
    gate: str = "weights"

    def __str__(self) -> str:
        return f"{self.method}/{self.gate}"

    @property
    def options(self) -> dict[str, Any]:
        return {"method": self.method, "gate": self.gate}


@dataclass(frozen=True)
class Scoring:
    """An analysis of a trained network, on samples that it was trained on."""

    recipe: Recipe
    criterion: Criterion

    @property
    def path(self) -> Path:
        name = f"{self.recipe.path.stem}-{self.criterion.method}-{self.criterion.gate}.pickle"
        return CACHE / f"scores-{VERSION}" / name


def criteria(methods: Iterable[str] = METHODS, gates: Iterable[str] = GATES) -> list[Criterion]:
    return [Criterion(method, gate) for method in methods for gate in gates]


def score(scoring: Scoring) -> None:
    """Analyse a trained network and store the analysis, unless it is already stored."""
    if scoring.path.exists():
        return
    torch.set_num_threads(1)
    data = scoring.recipe.load_data()
    images, classes = (torch.split(x[:SAMPLES], BATCH) for x in (data.images, data.classes))
    batches = zip(images, classes, strict=True)
    result = analyze(
        read(scoring.recipe).network, batches, progress=False, **scoring.criterion.options
    )
    # The evaluation holds the data, which can't be stored; these networks leave no doubt.
    write(scoring.path, pickle.dumps(replace(result, evaluation=None)))


def dumps(result: Analysis) -> bytes:
    """Return an analysis without its samples, which a score of layers does not need."""
    return pickle.dumps(replace(result, evaluation=None))


def analysis(recipe: Recipe, criterion: Criterion) -> Analysis:
    """Return the analysis that `score` has stored; its verdicts follow the current rule."""
    stored: Analysis = pickle.loads(Scoring(recipe, criterion).path.read_bytes())  # our own file
    return replace(stored)


def layer_names(recipe: Recipe) -> list[str]:
    """Return the names of the layers, in the order of the recipe's widths."""
    return [f"conv{number}" for number in range(1, len(recipe.widths) + 1)]
