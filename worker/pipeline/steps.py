"""The functions that the child process runs: inspect, plan, shard, reduce, and those of trials.

Files are content-addressed, so what was read from a path stays valid and is cached for later calls.
Each function raises RefusedError if the upload or the request is invalid.
"""

import io
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from narrows.analysis import Analysis
from narrows.graph.shapes import trace_shapes
from narrows.methods.partial_sums import NothingMeasuredError, PartialSums
from narrows.options import AdviseOptions, AnalysisOptions
from narrows.plans.planner import Plan
from narrows.vocabulary import ADVISE, PRUNED
from service.settings import get_settings
from worker.errors import RefusedError
from worker.formats import dataset
from worker.formats.transform import Transform
from worker.hardware.device import device_name
from worker.pipeline import inspection
from worker.pipeline.ahead import read_ahead
from worker.pipeline.artifact import build_all, built_row, verifications
from worker.pipeline.context import AnalysisContext, find_structures, open_network
from worker.pipeline.microbatches import measure_in_microbatches, within_memory
from worker.pipeline.refusing import refusing
from worker.pipeline.trials import plan_trial, reduce_trial, train

__all__ = [
    "inspect_dataset",
    "inspect_model",
    "plan",
    "plan_trial",
    "reduce",
    "reduce_trial",
    "shard",
    "train",
]

T = TypeVar("T")
Json = dict[str, Any]

FIRST_LOOK = 128
"""The number of samples of the first look."""
SETTINGS = ("method", "rule", "gate", "loss", "curvature", "blocks", "seed")
"""The options of the request that are part of the provenance."""


@refusing
def inspect_model(path: str) -> Json:
    """Return the inputs, outputs, layers, channel groups and costs of a model."""
    network = open_network(path)
    shapes = trace_shapes(network)
    channels = find_structures(network, shapes)
    return inspection.model_inspection(network, shapes, channels)


def inspect_dataset(path: str, transform: Json) -> Json:
    """Return the counts, shapes and classes of a dataset, and one preprocessed sample."""
    return inspection.dataset_inspection(dataset.read(Path(path), Transform.from_json(transform)))


@refusing
def plan(model_path: str, dataset_path: str, transform: Json, request: Json) -> Json:
    """Check that model, dataset and request fit; return the shards and a first look.

    A shard is a range [start, stop) of the drawn samples. The first look is the network's score on
    the first of them, with what an answer that ignores the input would give.
    """
    context = _open(model_path, dataset_path, transform, request)
    context.require_sound_loss()
    count, batch = len(context.samples), context.batch
    step = max(1, get_settings().shard_samples // batch) * batch
    return {
        "shards": [[start, min(start + step, count)] for start in range(0, count, step)],
        "first_look": _within_memory(context, lambda: _first_look(context)),
    }


def _first_look(context: AnalysisContext) -> Json | None:
    evaluation = context.evaluation(FIRST_LOOK)
    score, baseline = evaluation.before, evaluation.baseline
    if score is None:
        return None
    return {
        "samples": min(FIRST_LOOK, len(context.samples)),
        **score.to_dict(),
        "baseline": baseline and baseline.to_dict(),
        "doubt": baseline and baseline.doubt(score),
    }


def _measured(context: AnalysisContext, analysis: Analysis) -> Json:
    """Return the summary; raise RefusedError where the data say nothing."""
    try:
        return _within_memory(context, lambda: analysis.summary)
    except NothingMeasuredError as error:
        raise RefusedError(
            "nothing-measured", "Nothing was measured", f"On these samples, {error}."
        ) from None


def _within_memory(context: AnalysisContext, compute: Callable[[], T]) -> T:
    """Return what is computed; where memory runs out, with fewer samples at once."""

    def of_size(size: int) -> T:
        context.at_once = size
        return compute()

    size, smallest = context.at_once, context.smallest_batch
    return within_memory(of_size, size=size, smallest=smallest, most=context.batch)[0]


@refusing
def shard(
    model_path: str, dataset_path: str, transform: Json, request: Json, start: int, stop: int
) -> bytes:
    """Return the partial sums of samples `start` … `stop − 1`, one row per batch, as an `.npz`."""
    began = time.perf_counter()
    context = _open(model_path, dataset_path, transform, request)
    rows = []
    ranges = [
        (first, min(first + context.batch, stop)) for first in range(start, stop, context.batch)
    ]
    for batch in read_ahead(lambda limits: context.load(*limits), ranges):
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


@refusing
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
    summary = _measured(context, analysis)
    plans = _chosen_plans(analysis, options)
    to_build = {name: plans[name] for name in options.build}
    built = build_all(model_path, analysis, to_build, options.init, Path(folder))
    seconds = sum(float(part["seconds"]) for part in shards) + time.perf_counter() - began
    return {
        "layers": analysis.layers,
        "structures": analysis.structures,
        "plans": [
            {
                **plan.to_dict(),
                **built_row(name, built.get(name)),
                "copies": plan.copies.tolist(),
            }
            for name, plan in plans.items()
        ],
        "summary": {**summary, "advice": _advice(plans), "built": verifications(built)},
        "provenance": {
            **inspection.versions(),
            "model_sha256": Path(model_path).name,
            "dataset_sha256": Path(dataset_path).name,
            "transform": context.samples.transforms,
            "devices": sorted({str(part["device"]) for part in shards}),
            "compute_seconds": round(seconds, 3),
            **{name: getattr(options, name) for name in SETTINGS},
        },
    }


def _chosen_plans(analysis: Analysis, options: AnalysisOptions) -> dict[str, Plan]:
    offered = dict(analysis.plans)
    if PRUNED in options.build:
        offered[PRUNED] = analysis.pruned()
    if ADVISE in options.plans:
        offered[ADVISE] = analysis.advise(**vars(options.advise or AdviseOptions()))
    names = [*options.plan_names, *([PRUNED] if PRUNED in offered else ())]
    return {name: offered[name] for name in names}


def _advice(plans: Mapping[str, Plan]) -> str | None:
    """Return what the widths of the plan `advise` rest on; None if it was not asked for."""
    return plans[ADVISE].because if ADVISE in plans else None


def _open(model_path: str, dataset_path: str, transform: Json, request: Json) -> AnalysisContext:
    return _open_once(
        model_path, dataset_path, Transform.from_json(transform), AnalysisOptions.from_json(request)
    )


@lru_cache(maxsize=2)
def _open_once(
    model_path: str, dataset_path: str, transform: Transform, options: AnalysisOptions
) -> AnalysisContext:
    samples = dataset.read(Path(dataset_path), transform)
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
