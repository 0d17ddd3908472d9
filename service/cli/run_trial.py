"""Requests a trial, follows it, and prints its result; `trial` and `show` share it."""

from pathlib import Path
from typing import Any

import typer

from narrows.client import Client, Trial
from narrows.client.errors import coming_back
from narrows.client.types import Transform, TrialArtifact
from narrows.vocabulary import ENDED
from service.cli.findings.outputs import NOT_LOGGED
from service.cli.following import left_on_interrupt, require_success, with_time_left
from service.cli.progress import Pace, Steps
from service.cli.report_trial import print_trial
from service.cli.uploading import ready_model, upload_dataset

STAGES = {
    "queued": "waiting for a worker",
    "analysis": "analysing first",
    "plan": "planning",
    "reduce": "comparing",
    "done": "",
}


def request_trial(
    steps: Steps,
    client: Client,
    sources: tuple[Path | str, Path | str] | None,
    transform: Transform | None,
    request: dict[str, Any],
) -> str:
    """Upload the files (paths, not ids), if there are any; return the id of a trial."""
    if sources is None:
        return client.trials.create(**request).id
    model, dataset = sources
    model = ready_model(steps, client, model).id
    if isinstance(dataset, Path):
        dataset = upload_dataset(steps, client, dataset, transform).id
    return client.trials.create(model_id=model, dataset_id=dataset, **request).id


def show_trial(
    steps: Steps,
    client: Client,
    identity: str,
    output: Path | None,
    *,
    follow: bool = True,
    mlflow: bool,
    as_json: bool,
) -> None:
    """Print a trial, at its end if `follow`; raise CommandError where it has no result.

    Its networks are downloaded into `output`, if there is one. With `mlflow` it is logged there;
    raises typer.Exit where it is not taken.
    """
    from service.cli.printing import print_json

    if follow:
        with left_on_interrupt(steps, client, identity):
            trial = _followed(steps, client, identity)
    else:
        with coming_back("trial", identity):
            trial = client.trials.retrieve(identity)
    runs = [*trial.runs]
    document: dict[str, Any] = {"trial": trial, "runs": runs}
    files: list[tuple[TrialArtifact, Path]] = []
    if trial.state == "succeeded" and output is not None:
        files = _download(steps, client, trial, output)
        document["artifacts"] = [{**one.to_dict(), "path": str(path)} for one, path in files]
    if as_json:
        print_json(document)
    elif trial.state == "succeeded":
        print_trial(trial, runs)
    elif trial.state not in ENDED:
        steps.note(f"The trial {identity} is {trial.state}: {said(trial)}.")
    require_success(trial)
    if mlflow:
        from service.cli.findings.mlflow import log_trial

        if not log_trial(client, trial, runs, [path for _, path in files]):
            raise typer.Exit(NOT_LOGGED)


def _followed(steps: Steps, client: Client, identity: str) -> Trial:
    """Show the progress of a trial until it has ended; return it, however it ended."""
    pace = Pace()
    with steps.step("Training") as step:
        for trial in client.trials.watch(identity):
            progress = trial.progress
            step.update(progress.steps_done, progress.steps_total or None, said(trial, pace))
    return trial


def said(trial: Trial, pace: Pace | None = None) -> str:
    """Return the stage of a trial, and how long it will take by the steps that are done."""
    progress = trial.progress
    text = STAGES.get(progress.stage, f"{progress.done} of {progress.total} runs")
    left = progress.seconds_left
    if pace is not None and progress.stage == "train":
        own = pace.seconds_left(progress.steps_done, progress.steps_total)
        left = left if own is None else own
    return with_time_left(text, left)


def _download(
    steps: Steps, client: Client, trial: Trial, folder: Path
) -> list[tuple[TrialArtifact, Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for artifact in trial.artifacts:
        with steps.step(f"Downloading {artifact.name}", artifact.size) as step:
            path = client.trials.download(trial.id, artifact.name, folder, step.advance)
        files.append((artifact, path))
    return files
