"""The functions that the child process runs: inspect, plan, shard; reduces and trials have files.

Files are content-addressed, so what was read from a path stays valid and is cached for later calls.
Each function raises RefusedError if the upload or the request is invalid.
"""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np

from narrows.graph.shapes import trace_shapes
from narrows.methods.partial_sums import PartialSums
from service.settings import get_settings
from worker.errors import RefusedError
from worker.formats import dataset
from worker.formats.transform import Transform
from worker.hardware.device import device_name
from worker.pipeline import inspection
from worker.pipeline.ahead import read_ahead
from worker.pipeline.context import AnalysisContext, find_structures, open_network
from worker.pipeline.microbatches import measure_in_microbatches
from worker.pipeline.opening import open_analysis, with_fewer_at_once
from worker.pipeline.reduce import follow_up, reduce
from worker.pipeline.refusing import refusing
from worker.pipeline.trials import plan_trial, reduce_trial, train

__all__ = [
    "follow_up",
    "inspect_dataset",
    "inspect_model",
    "plan",
    "plan_trial",
    "reduce",
    "reduce_trial",
    "shard",
    "train",
]

Json = dict[str, Any]

FIRST_LOOK = 128
"""The number of samples of the first look."""


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
    context = open_analysis(model_path, dataset_path, transform, request)
    context.require_sound_loss()
    count, batch = len(context.samples), context.batch
    step = max(1, get_settings().shard_samples // batch) * batch
    return {
        "shards": [[start, min(start + step, count)] for start in range(0, count, step)],
        "first_look": with_fewer_at_once(context, lambda: _first_look(context)),
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


@refusing
def shard(
    model_path: str, dataset_path: str, transform: Json, request: Json, start: int, stop: int
) -> bytes:
    """Return the partial sums of samples `start` … `stop − 1`, one row per batch, as an `.npz`."""
    began = time.perf_counter()
    context = open_analysis(model_path, dataset_path, transform, request)
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


def _require_finite(row: PartialSums) -> None:
    if not row.are_finite():
        raise RefusedError(
            "not-finite",
            "The network's values are not finite",
            f"A batch of {row.samples[0]} samples gave the loss {row.loss[0]} or a derivative that "
            "is NaN or infinite. Check that the weights are finite and that the data is "
            "preprocessed as in training (see `transform`).",
        )
