"""Scores of the layers of kept networks, to be held against what widening gains.

A score's name is one of

- `narrowest`: the fewest channels first; it needs no network,
- `METHOD/GATE`: the score of a method's analysis, which today's verdict rests on,
- `METHOD/GATE:COLUMN`: another number of its layers, such as `sosp_i/channel:worth`,
- `sosp_i/channel:w-DELTA-QUANTILE`: a quantile of w, with λ = DELTA times the mean of Q's diagonal,
- `sosp_i/channel:q-QUANTILE`: a quantile of ½ Q's diagonal, where no other channel adapts,
- `package.module.function`: your own. It is called with a network, images, classes and the names
  of the layers, and returns their scores.

A name that ends in `*growth` is a score times the channels that the budget adds to a layer, over
those that it has: what a channel is worth says nothing of how many can be had.
"""

import hashlib
import importlib
import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.data import load
from benchmarks.gain_architectures import layer_names
from benchmarks.gain_networks import Study
from benchmarks.measured_gains import Store
from benchmarks.scoring import BATCH, METHODS, SAMPLES, dumps
from benchmarks.training import CACHE, write
from narrows import Analysis, analyze
from narrows.arrays import Floats

TODAY = "sosp_i/channel"
GROWTH = "*growth"
DEFAULT = (
    "narrowest",
    TODAY,
    "sosp_i/channel:worth",
    "sosp_i/channel:w-0.1-0.75",
    "sosp_i/channel:w-0.1-0.5",
    "sosp_i/channel:w-0.01-0.5",
    "sosp_i/channel:w-1-0.5",
    "sosp_i/channel:q-0.5",
    "sosp_i/channel:worth*growth",
    "sosp_i/channel:w-0.1-0.5*growth",
    "sosp_i/channel:w-0.01-0.5*growth",
    "sosp_i/channel:q-0.5*growth",
)


@dataclass(frozen=True)
class Scored:
    """A kept network to be analysed by a method with gates at one place."""

    store: Store
    study: Study
    seed: int
    method: str
    gate: str

    @property
    def path(self) -> Path:
        weights = self.store.path(self.study).with_suffix(".npz").read_bytes()
        version = hashlib.sha256(weights).hexdigest()[:12]
        name = f"{self.study.name}-{self.seed}-{self.method}-{self.gate}-{version}.pickle"
        return CACHE / "gain-scores" / name

    def analyse(self) -> Analysis:
        """Return the analysis, which is computed once and then read from the cache folder."""
        if not self.path.exists():
            torch.set_num_threads(1)
            network = self.store.networks(self.study)[self.seed]
            data = load(self.study.data, self.study.schedule.samples, self.seed)
            images, classes = (torch.split(x[:SAMPLES], BATCH) for x in (data.images, data.classes))
            batches = zip(images, classes, strict=True)
            options: Any = {"method": self.method, "gate": self.gate}
            result = analyze(network, batches, progress=False, **options)
            write(self.path, dumps(result))
        return _read(self.path)


@cache
def _read(path: Path) -> Analysis:
    stored: Analysis = pickle.loads(path.read_bytes())  # our own file
    return stored


def needed(store: Store, study: Study, seed: int, score: str) -> Scored | None:
    """Return the analysis that a score rests on; None if it rests on none."""
    method, _, gate = score.removesuffix(GROWTH).partition(":")[0].partition("/")
    return Scored(store, study, seed, method, gate) if method in METHODS else None


def score(store: Store, study: Study, seed: int, name: str) -> Floats:
    """Return the scores of a network's layers, [layers]; the layer to widen first has the highest.

    Raises SystemExit for an unknown name.
    """
    if name.endswith(GROWTH):
        return score(store, study, seed, name.removesuffix(GROWTH)) * growth(study)
    if name == "narrowest":
        return -np.array(study.base.widths, float)
    scored = needed(store, study, seed, name)
    if scored is None:
        return _own(store, study, seed, name)
    layers = layer_names(study.base)
    column = name.partition(":")[2]
    if column.startswith(("w-", "q-")):
        return _quantiles(scored, layers, column)
    rows = {row["name"]: row for row in scored.analyse().layers}
    if (column or "score") not in rows[layers[0]]:
        raise SystemExit(f"{name}: layers have no {column}; they have {', '.join(rows[layers[0]])}")
    return np.array([rows[layer][column or "score"] for layer in layers], float)


def growth(study: Study) -> Floats:
    """Return by how much each layer grows when it alone is widened, relative to its width."""
    widths = np.array(study.base.widths)
    wider = np.array([layer.widths for layer in study.layers]).diagonal()
    result: Floats = wider / widths - 1
    return result


def _quantiles(scored: Scored, layers: list[str], column: str) -> Floats:
    kind, *numbers = column.split("-")
    *delta, quantile = map(float, numbers)
    analysis = scored.analyse()
    factor = analysis.partial_sums.averages.factor.astype(np.float64)
    values = half_diagonal(factor) if kind == "q" else adapted(factor, *delta)
    own = {layer.name: layer.own for layer in analysis.channels.layers}
    return np.array([np.quantile(values[own[layer]], quantile) for layer in layers])


def half_diagonal(factor: Floats) -> Floats:
    """Return ½ Q_cc [S] for Q = factorᵀ factor: what a removal costs if nothing adapts."""
    result: Floats = 0.5 * np.square(factor).sum(0)
    return result


def adapted(factor: Floats, delta: float) -> Floats:
    """Return w_c = ½ / [(Q + λI)⁻¹]_cc [S]: what a removal costs once all others have adapted.

    >>> adapted(np.diag([1.0, 3.0**0.5]), 0.1)  # λ = 0.1 · (1 + 3) / 2
    array([0.6, 1.6])
    """
    matrix = factor.T @ factor
    damped = matrix + delta * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
    result: Floats = 0.5 / np.diag(np.linalg.inv(damped))
    return result


def _own(store: Store, study: Study, seed: int, name: str) -> Floats:
    module, _, function = name.rpartition(".")
    try:
        own = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SystemExit(f"unknown score {name} ({error}).\n\n{__doc__}") from None
    network = store.networks(study)[seed]
    data = _data(study.data, study.schedule.samples, seed)
    images, classes = data.images[:SAMPLES], data.classes[:SAMPLES]
    return np.asarray(own(network, images, classes, layer_names(study.base)), float)


_data = cache(load)
