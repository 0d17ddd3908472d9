"""What the child process runs: inspect · plan · shard · reduce, as plain functions.

Paths are of content-addressed files, so what was read from one stays true and is kept for the next
call. Each function raises Refused where the upload or the request is at fault.
"""

import io
import json
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from narrows.analysis import Analysis
from narrows.graph.shapes import trace_shapes
from narrows.methods.partial_sums import Terms
from narrows.plans.planner import Plan
from service.settings import get_settings
from worker.errors import Refused
from worker.formats import arrays, pt2
from worker.hardware.device import device_name
from worker.pipeline import inspection
from worker.pipeline.artifact import build
from worker.pipeline.context import Opened, find_structures, open_network
from worker.pipeline.microbatches import terms_in_parts

Json = dict[str, Any]

SETTINGS = ("method", "gate", "loss", "curvature", "blocks", "seed")
"""What of a request the provenance repeats."""


def inspect_model(path: str) -> Json:
    """Return what a model consists of: inputs, outputs, layers, channel groups, costs."""
    network = open_network(path)
    shapes = trace_shapes(network)
    channels = find_structures(network, shapes)
    return inspection.model_inspection(network, shapes, channels)


def inspect_dataset(path: str, transform: Json) -> Json:
    """Return what a dataset consists of: counts, shapes, classes, and one sample preprocessed."""
    return inspection.dataset_inspection(arrays.read(Path(path), transform))


def plan(model_path: str, dataset_path: str, transform: Json, request: Json) -> list[list[int]]:
    """Check that everything fits, and return the shards: [start, stop] ranges of samples drawn."""
    opened = _open(model_path, dataset_path, transform, request)
    count, batch = len(opened.drawn), opened.batch
    step = max(1, get_settings().shard_samples // batch) * batch
    return [[start, min(start + step, count)] for start in range(0, count, step)]


def shard(
    model_path: str, dataset_path: str, transform: Json, request: Json, start: int, stop: int
) -> bytes:
    """Return the terms of the drawn samples `start` … `stop − 1`, one row a batch, as `.npz`."""
    began = time.perf_counter()
    opened = _open(model_path, dataset_path, transform, request)
    rows = []
    for first in range(start, stop, opened.batch):
        batch = opened.load(first, min(first + opened.batch, stop))
        row, opened.at_once = terms_in_parts(
            opened.measure, batch, size=opened.at_once, smallest=opened.smallest_batch
        )
        _require_finite(row)
        rows.append(row)
    file = io.BytesIO()
    seconds = time.perf_counter() - began
    more = {"seconds": np.array(seconds), "device": np.array(device_name())}
    np.savez(file, allow_pickle=False, **Terms.stack(rows).to_arrays(), **more)
    return file.getvalue()


def reduce(
    model_path: str,
    dataset_path: str,
    transform: Json,
    request: Json,
    parts: list[bytes],
    folder: str,
) -> Json:
    """Return the rows of layers, structures and plans, the summary and the provenance.

    Networks to be built are written to `folder`, under the names that their plans then have.
    """
    began = time.perf_counter()
    opened = _open(model_path, dataset_path, transform, request)
    shards = [dict(np.load(io.BytesIO(part), allow_pickle=False)) for part in parts]
    terms = Terms.stack(map(Terms.of_arrays, shards))
    found = opened.analysis(terms)
    plans = _chosen_plans(found, request)
    original = pt2.read(Path(model_path)) if request["build"] else opened.network
    built = {
        name: build(original, found, plans[name], request["init"], Path(folder, f"{name}.pt2"))
        for name in request["build"]
    }
    seconds = sum(float(part["seconds"]) for part in shards) + time.perf_counter() - began
    return {
        "layers": found.layers,
        "structures": found.structures,
        "plans": [
            {**plan.to_dict(), "artifact": f"{name}.pt2" if name in built else None}
            for name, plan in plans.items()
        ],
        "summary": {**found.summary, "built": built},
        "provenance": {
            **inspection.versions(),
            "model_sha256": Path(model_path).name,
            "dataset_sha256": Path(dataset_path).name,
            "transform": vars(opened.samples.transform),
            "devices": sorted({str(part["device"]) for part in shards}),
            "compute_seconds": round(seconds, 3),
            **{name: request.get(name) for name in SETTINGS},
        },
    }


def _chosen_plans(found: Analysis, request: Json) -> dict[str, Plan]:
    names = (plan if isinstance(plan, str) else plan["name"] for plan in request["plans"])
    pruned = {"pruned": found.pruned()} if "pruned" in request["build"] else {}
    return {name: found.plans[name] for name in names} | pruned


def _open(model_path: str, dataset_path: str, transform: Json, request: Json) -> Opened:
    return _open_once(model_path, dataset_path, json.dumps(transform), json.dumps(request))


@lru_cache(maxsize=2)
def _open_once(model_path: str, dataset_path: str, transform: str, request: str) -> Opened:
    samples = arrays.read(Path(dataset_path), json.loads(transform))
    return Opened(open_network(model_path), samples, json.loads(request))


def _require_finite(terms: Terms) -> None:
    if not terms.are_finite():
        raise Refused(
            "not-finite",
            "The network's values are not finite",
            f"A batch of {terms.samples[0]} samples gave the loss {terms.loss[0]} or a derivative "
            "that is NaN or infinite. Check that the weights are finite and that the data is "
            "preprocessed as in training (see `transform`).",
        )
