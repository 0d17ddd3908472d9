"""The functions that the child process runs: inspect, plan, shard, reduce.

Files are content-addressed, so what was read from a path stays valid and is cached for later calls.
Each function raises RefusedError if the upload or the request is invalid.
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
"""The options of the request that are part of the provenance."""


def inspect_model(path: str) -> Json:
    """Return the inputs, outputs, layers, channel groups and costs of a model."""
    network = open_network(path)
    shapes = trace_shapes(network)
    channels = find_structures(network, shapes)
    return inspection.model_inspection(network, shapes, channels)


def inspect_dataset(path: str, transform: Json) -> Json:
    """Return the counts, shapes and classes of a dataset, and one preprocessed sample."""
    return inspection.dataset_inspection(arrays.read(Path(path), Transform.from_json(transform)))


def plan(model_path: str, dataset_path: str, transform: Json, request: Json) -> list[list[int]]:
    """Check that model, dataset and request fit; return the shards.

    A shard is a range [start, stop) of the drawn samples.
    """
    context = _open(model_path, dataset_path, transform, request)
    count, batch = len(context.drawn), context.batch
    step = max(1, get_settings().shard_samples // batch) * batch
    return [[start, min(start + step, count)] for start in range(0, count, step)]


def shard(
    model_path: str, dataset_path: str, transform: Json, request: Json, start: int, stop: int
) -> bytes:
    """Return the partial sums of samples `start` … `stop − 1`, one row per batch, as an `.npz`."""
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
    cost = {"seconds": np.array(seconds), "device": np.array(device_name())}
    np.savez(file, allow_pickle=False, **PartialSums.stack(rows).to_arrays(), **cost)
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

    `parts` are the results of all shards, in order. The networks of `build` are written to
    `folder`, with the file names that the plans' `artifact` fields hold.
    """
    began = time.perf_counter()
    context = _open(model_path, dataset_path, transform, request)
    shards = [dict(np.load(io.BytesIO(part), allow_pickle=False)) for part in parts]
    partial_sums = PartialSums.stack(map(PartialSums.of_arrays, shards))
    analysis = context.analysis(partial_sums)
    options = context.options
    plans = _chosen_plans(analysis, options)
    original = pt2.read(Path(model_path)) if options.build else context.network
    built = {
        name: build(original, analysis, plans[name], options.init, Path(folder, f"{name}.pt2"))
        for name in options.build
    }
    seconds = sum(float(part["seconds"]) for part in shards) + time.perf_counter() - began
    return {
        "layers": analysis.layers,
        "structures": analysis.structures,
        "plans": [
            {**plan.to_dict(), "artifact": f"{name}.pt2" if name in built else None}
            for name, plan in plans.items()
        ],
        "summary": {**analysis.summary, "built": built},
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


def _chosen_plans(analysis: Analysis, options: AnalysisOptions) -> dict[str, Plan]:
    pruned = {PRUNED: analysis.pruned()} if PRUNED in options.build else {}
    return {name: analysis.plans[name] for name in options.plan_names} | pruned


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
