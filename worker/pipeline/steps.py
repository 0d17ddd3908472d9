"""What the child process runs: inspect · plan · shard · reduce, as plain functions.

Paths are of content-addressed files, so what was read from one stays true and is kept for the next
call. Each function raises RefusedError where the upload or the request is at fault.
"""

import io
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from narrows.analysis import Analysis
from narrows.graph.shapes import trace_shapes
from narrows.methods.partial_sums import PartialSums
from narrows.options import AnalysisOptions
from narrows.plans.planner import Plan
from narrows.vocabulary import PRUNED
from service.settings import get_settings
from worker.errors import RefusedError
from worker.formats import arrays, pt2
from worker.formats.samples import Transform
from worker.hardware.device import device_name
from worker.pipeline import inspection
from worker.pipeline.artifact import build
from worker.pipeline.context import AnalysisContext, find_structures, open_network
from worker.pipeline.microbatches import measure_in_microbatches

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
    return inspection.dataset_inspection(arrays.read(Path(path), Transform.from_json(transform)))


def plan(model_path: str, dataset_path: str, transform: Json, request: Json) -> list[list[int]]:
    """Check that everything fits, and return the shards: [start, stop] ranges of samples drawn."""
    context = _open(model_path, dataset_path, transform, request)
    count, batch = len(context.drawn), context.batch
    step = max(1, get_settings().shard_samples // batch) * batch
    return [[start, min(start + step, count)] for start in range(0, count, step)]


def shard(
    model_path: str, dataset_path: str, transform: Json, request: Json, start: int, stop: int
) -> bytes:
    """Return the partial sums of samples `start` … `stop − 1`, one row a batch, as `.npz`."""
    began = time.perf_counter()
    context = _open(model_path, dataset_path, transform, request)
    rows = []
    for first in range(start, stop, context.batch):
        batch = context.load(first, min(first + context.batch, stop))
        row, context.at_once = measure_in_microbatches(
            context.measure, batch, size=context.at_once, smallest=context.smallest_batch
        )
        _require_finite(row)
        rows.append(row)
    file = io.BytesIO()
    seconds = time.perf_counter() - began
    more = {"seconds": np.array(seconds), "device": np.array(device_name())}
    np.savez(file, allow_pickle=False, **PartialSums.stack(rows).to_arrays(), **more)
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
    context = _open(model_path, dataset_path, transform, request)
    shards = [dict(np.load(io.BytesIO(part), allow_pickle=False)) for part in parts]
    partial_sums = PartialSums.stack(map(PartialSums.of_arrays, shards))
    found = context.analysis(partial_sums)
    options = context.options
    plans = _chosen_plans(found, options)
    original = pt2.read(Path(model_path)) if options.build else context.network
    built = {
        name: build(original, found, plans[name], options.init, Path(folder, f"{name}.pt2"))
        for name in options.build
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
            "transform": vars(context.samples.transform),
            "devices": sorted({str(part["device"]) for part in shards}),
            "compute_seconds": round(seconds, 3),
            **{name: getattr(options, name) for name in SETTINGS},
        },
    }


def _chosen_plans(found: Analysis, options: AnalysisOptions) -> dict[str, Plan]:
    pruned = {PRUNED: found.pruned()} if PRUNED in options.build else {}
    return {name: found.plans[name] for name in options.plan_names} | pruned


def _open(model_path: str, dataset_path: str, transform: Json, request: Json) -> AnalysisContext:
    return _open_once(
        model_path, dataset_path, Transform.from_json(transform), AnalysisOptions.from_json(request)
    )


@lru_cache(maxsize=2)
def _open_once(
    model_path: str, dataset_path: str, transform: Transform, options: AnalysisOptions
) -> AnalysisContext:
    samples = arrays.read(Path(dataset_path), transform)
    return AnalysisContext(open_network(model_path), samples, options)


def _require_finite(row: PartialSums) -> None:
    if not row.are_finite():
        raise RefusedError(
            "not-finite",
            "The network's values are not finite",
            f"A batch of {row.samples[0]} samples gave the loss {row.loss[0]} or a derivative that "
            "is NaN or infinite. Check that the weights are finite and that the data is "
            "preprocessed as in training (see `transform`).",
        )
