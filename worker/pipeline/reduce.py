"""Reduces: what the partial sums of all samples say, right after they were measured or later."""

import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.analysis import Analysis
from narrows.channels.structures import Channels
from narrows.evaluation.evaluation import Evaluation
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.losses import LOSSES
from narrows.methods.partial_sums import NothingMeasuredError, PartialSums
from narrows.options import AdviseOptions, AnalysisOptions
from narrows.plans.planner import Plan
from narrows.verdict.rankings import Rankings
from narrows.vocabulary import ADVISE, PRUNED
from worker.errors import RefusedError
from worker.hardware.device import chosen_device, device_name
from worker.pipeline import inspection
from worker.pipeline.artifact import build_all, built_row, verifications
from worker.pipeline.context import find_structures, method_of, open_network
from worker.pipeline.kept import Measured, digest_of, keep, keep_rankings, read_rankings
from worker.pipeline.opening import open_analysis, with_fewer_at_once
from worker.pipeline.refusing import refusing

Json = dict[str, Any]

SETTINGS = ("method", "rule", "gate", "loss", "curvature", "blocks", "seed")
"""The options of the request that are part of the provenance."""


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
    `folder`, with the file names that the plans' `artifact` fields hold; `kept` are the names of
    the files there that follow-ups need.
    """
    began = time.perf_counter()
    context = open_analysis(model_path, dataset_path, transform, request)
    shards = [dict(np.load(io.BytesIO(part), allow_pickle=False)) for part in parts]
    sums = PartialSums.stack(map(PartialSums.of_arrays, shards))
    network, shapes, channels = context.network, context.shapes, context.channels
    evaluation = context.evaluation()
    analysis = _analysis(network, shapes, channels, sums, context.options, evaluation)
    summary = _measured(lambda: with_fewer_at_once(context, lambda: analysis.summary))
    measured = Measured(
        sums,
        [shapes.of(spec.name) for spec in network.inputs],
        evaluation.baseline,
        digest_of(channels),
        {
            "model_sha256": Path(model_path).name,
            "dataset_sha256": Path(dataset_path).name,
            "transform": context.samples.transforms,
            "devices": sorted({str(part["device"]) for part in shards}),
        },
    )
    began -= sum(float(part["seconds"]) for part in shards)
    result = _result(model_path, analysis, context.options, folder, summary)
    kept = keep(Path(folder), measured)
    if kept:
        kept += keep_rankings(Path(folder), analysis.rankings, analysis.removals.to_dict())
    provenance = _provenance(context.options, measured, began)
    return {**result, "provenance": provenance, "kept": kept}


@refusing
def follow_up(
    model_path: str, request: Json, sums_path: str, rankings_path: str | None, folder: str
) -> Json:
    """Return what `reduce` does, from the partial sums of an earlier analysis, without data.

    `rankings_path` are its rankings, where this request ranks alike. Nothing is measured: the
    summary's `not_measured` says what is missing.
    """
    began = time.perf_counter()
    options, network = AnalysisOptions.from_json(request), open_network(model_path)
    measured = Measured.read(sums_path)
    shapes = trace_shapes(network, measured.inputs)
    channels = find_structures(network, shapes, options.exclude)
    if digest_of(channels) != measured.structures:
        raise RefusedError(
            "structures-differ",
            "The partial sums are of other structures",
            "This version of Narrows divides the network into other structures than the one that "
            "measured the partial sums. Run the analysis again.",
        )
    known, removals = read_rankings(rankings_path) if rankings_path else (None, {})
    evaluation = Evaluation(network, lambda: (), LOSSES[options.loss], measured.baseline)
    analysis = _analysis(network, shapes, channels, measured.sums, options, evaluation, known)
    summary = _measured(lambda: analysis.summary) | removals
    if missing := _not_measured(options, removals):
        summary["not_measured"] = missing
    result = _result(model_path, analysis, options, folder, summary)
    kept = [] if known else keep_rankings(Path(folder), analysis.rankings, {})
    return {**result, "provenance": _provenance(options, measured, began), "kept": kept}


def _analysis(
    network: Network,
    shapes: Shapes,
    channels: Channels,
    sums: PartialSums,
    options: AnalysisOptions,
    evaluation: Evaluation,
    known: Rankings | None = None,
) -> Analysis:
    return Analysis(
        network,
        shapes,
        channels,
        sums,
        method_of(options),
        options.rule,
        pruning_ratio=options.pruning_ratio,
        cost=options.cost,
        seed=options.seed,
        factors=options.custom_plans,
        evaluation=evaluation,
        device=chosen_device(),
        gate=options.gate,
        known=known,
    )


def _measured(compute: Callable[[], Json]) -> Json:
    """Return the summary; raise RefusedError where the data say nothing."""
    try:
        return compute()
    except NothingMeasuredError as error:
        raise RefusedError(
            "nothing-measured", "Nothing was measured", f"On these samples, {error}."
        ) from None


def _not_measured(options: AnalysisOptions, removals: Json) -> str | None:
    """Return what the results lack, since a follow-up reads no data."""
    missing = [
        *([] if removals else ["the loss after removals"]),
        *(["the scores of built networks"] if options.build else []),
    ]
    if not missing:
        return None
    return f"Not measured, since a follow-up reads no data: {' and '.join(missing)}."


def _result(
    model_path: str, analysis: Analysis, options: AnalysisOptions, folder: str, summary: Json
) -> Json:
    """Return the rows and the whole summary; build networks in `folder`."""
    plans = _chosen_plans(analysis, options)
    to_build = {name: plans[name] for name in options.build}
    built = build_all(model_path, analysis, to_build, options.init, Path(folder))
    rows = [
        {**plan.to_dict(), **built_row(name, built.get(name)), "copies": plan.copies.tolist()}
        for name, plan in plans.items()
    ]
    return {
        "layers": analysis.layers,
        "structures": analysis.structures,
        "plans": rows,
        "summary": {**summary, "advice": _advice(plans), "built": verifications(built)},
    }


def _provenance(options: AnalysisOptions, measured: Measured, began: float) -> Json:
    """Return how a result was computed; its devices are those that measured, and this one."""
    provenance = measured.provenance
    return {
        **inspection.versions(),
        **provenance,
        "devices": sorted({*provenance["devices"], device_name()}),
        "compute_seconds": round(time.perf_counter() - began, 3),
        **{name: getattr(options, name) for name in SETTINGS},
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
