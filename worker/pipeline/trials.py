"""What the child computes for trials: the variants, a segment of a training, what was gained."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from narrows import surgery
from narrows.graph.to_export import BuildError
from narrows.trials.checkpoint import CheckpointError
from narrows.trials.result import Point, RunResult
from narrows.trials.run import TrainingRun
from narrows.trials.subject import TrialSubject
from narrows.trials.summary import summarize
from narrows.trials.trainable import REMARK
from narrows.trials.variants import Variant, variants
from service.settings import get_settings
from worker.errors import RefusedError
from worker.formats import pt2
from worker.formats.files import open_file
from worker.hardware.device import device_name
from worker.pipeline import inspection
from worker.pipeline.refusing import refusing
from worker.pipeline.trial_subject import impossible, open_subject, options_in, sentence

Json = dict[str, Any]

STEPS_AT_ONCE: Final = 4
"""The steps between two looks at the clock."""
CHECKPOINT: Final = "run.checkpoint"
NETWORK: Final = "run.pt2"

log = logging.getLogger(__name__)


@refusing
def plan_trial(
    model_path: str,
    dataset_path: str,
    transform: Json,
    request: Json,
    analysed: Json,
    ranks: Sequence[int],
    copies: Mapping[str, Sequence[int] | None],
) -> Json:
    """Return the variants, the runs (each variant with each seed), and how many steps each takes.

    `analysed` is the request of the analysis, `ranks` [S] are those of its structures, and `copies`
    [S] of each plan say how often each structure exists in it.
    """
    options = options_in(request)
    subject = open_subject(model_path, dataset_path, transform, request, analysed["exclude"])
    plans = {name: copies[name] for name in options.plan_names}
    if any(of_plan is None for of_plan in plans.values()):
        raise RefusedError(
            "analysis-too-old",
            "The analysis is of an older version",
            "It does not say how its plans are built. Start a new analysis, or a trial without.",
        )
    arrays_of = {name: np.array(of_plan) for name, of_plan in plans.items()}
    try:
        chosen, left_out = variants(subject, arrays_of, np.array(ranks))
        steps = TrainingRun.start(subject, chosen[0], options.seeds[0]).steps
    except ValueError as error:
        raise impossible(error) from error
    return {
        "steps": steps,
        "runs": [
            {"variant": variant.name, "seed": seed} for seed in options.seeds for variant in chosen
        ],
        "planned": {
            "variants": [variant.to_json() for variant in chosen],
            "left_out": left_out,
            "put_back": [call.to_dict() for call in subject.trainable.put_back],
            "exclude": analysed["exclude"],
        },
    }


@refusing
def train(
    model_path: str,
    dataset_path: str,
    transform: Json,
    request: Json,
    exclude: Sequence[str],
    variant: Json,
    seed: int,
    checkpoint: str | None,
    folder: str,
) -> Json:
    """Train for a while from the checkpoint on; write another one, or at the end the network.

    The name of the written file, in `folder`, is `file`.
    """
    until = time.monotonic() + get_settings().checkpoint_seconds
    subject = open_subject(model_path, dataset_path, transform, request, exclude)
    run = _begun(subject, Variant.from_json(variant), seed, checkpoint)
    run.advance(STEPS_AT_ONCE)  # at least, or it would never end
    while not run.done and time.monotonic() < until:
        run.advance(STEPS_AT_ONCE)
    result = run.result()
    columns = ("loss", "accuracy", "parameters", "macs")
    return {
        "state": ("failed" if run.error else "done") if run.done else "running",
        "file": _written(run, Path(folder)),
        "step": run.step,
        "curve": result.to_json()["curve"],
        "device": device_name(),
        "error": _no_result(run.error).as_problem() if run.error else None,
        **{name: getattr(result, name) if run.done else None for name in columns},
    }


def reduce_trial(
    model_path: str,
    dataset_path: str,
    transform: Json,
    request: Json,
    planned: Json,
    runs: Sequence[Json],
) -> Json:
    """Return what every variant gained; raise RefusedError where no run has a result."""
    results = [_result(run) for run in runs]
    if all(result.loss is None for result in results):
        raise RefusedError(
            "all-runs-failed",
            "No run has a result",
            f"All {len(runs)} runs failed. The first one: {results[0].error}",
        )
    return {
        "summary": {
            "variants": [of_variant.to_dict() for of_variant in summarize(results)],
            "left_out": planned["left_out"],
            "put_back": planned["put_back"],
            "remark": REMARK,
        },
        "provenance": {
            **inspection.versions(),
            "model_sha256": Path(model_path).name,
            "dataset_sha256": Path(dataset_path).name,
            "transform": transform,
            "threads": request["threads"],
            "devices": sorted({run["device"] for run in runs if run["device"]}),
        },
    }


def _begun(
    subject: TrialSubject, variant: Variant, seed: int, checkpoint: str | None
) -> TrainingRun:
    """Return the run as it was at the checkpoint; where that can't be used, from its start."""
    try:
        if checkpoint is not None:
            with open_file(checkpoint) as file:
                return TrainingRun.resume(subject, variant, seed, file.read())
    except CheckpointError as error:  # such as one of another version
        log.warning("the run begins again: %s", error)
    try:
        return TrainingRun.start(subject, variant, seed)
    except ValueError as error:
        raise _no_result(str(error)) from error


def _written(run: TrainingRun, folder: Path) -> str | None:
    """Write the checkpoint or, at the end, the network; return the name of the file."""
    if not run.done:
        (folder / CHECKPOINT).write_bytes(run.checkpoint())
        return CHECKPOINT
    if run.error:
        return None
    trained, path = run.trained(), folder / NETWORK
    try:
        trained.save(path)
        surgery.verify_same(trained.network, pt2.read(path), shapes=trained.shapes, seed=0)
    except (BuildError, surgery.SurgeryError):
        log.exception("the trained network can't be written")
        return None
    return NETWORK


def _result(run: Json) -> RunResult:
    """Return the result of a run from the columns of its row."""
    return RunResult(
        run["variant"],
        run["seed"],
        run["parameters"] or 0,
        run["macs"] or 0,
        run["step"],
        run["loss"],
        run["accuracy"],
        tuple(Point(**point) for point in run["curve"] or ()),
        run["error"] and run["error"]["detail"],
    )


def _no_result(error: str) -> RefusedError:
    return RefusedError("training-failed", "The training has no result", f"{sentence(error)}.")
