"""Requests a trial, follows it, and prints its result; `trial` and `show` share it."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from narrows.client import Client
from narrows.client.trial_types import Trial, TrialRun
from narrows.client.types import Artifact, Transform
from narrows.vocabulary import ENDED
from service.cli.following import (
    connected,
    left_on_interrupt,
    require_success,
    with_time_left,
)
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


class Downloaded(Artifact):
    path: str
    """The path of the downloaded file."""


class TrialResult(TypedDict):
    """The document that `--json` prints."""

    trial: Trial
    runs: list[TrialRun]
    artifacts: NotRequired[list[Downloaded]]


def request_trial(
    steps: Steps,
    client: Client,
    sources: tuple[Path | str, Path | str] | None,
    transform: Transform | None,
    request: dict[str, Any],
) -> str:
    """Upload the files (paths, not ids), if there are any; return the id of a trial."""
    if sources is None:
        return client.create_trial(**request)["id"]
    model, dataset = sources
    model = ready_model(steps, client, model)["id"]
    if isinstance(dataset, Path):
        dataset = upload_dataset(steps, client, dataset, transform)["id"]
    return client.create_trial(model_id=model, dataset_id=dataset, **request)["id"]


def show_trial(identity: str, output: Path | None, *, follow: bool, as_json: bool) -> None:
    """Print a trial, at its end if `follow`; raise CommandError where it has no result."""
    steps = Steps()
    with connected(steps) as client:
        show_trial_with(steps, client, identity, output, follow=follow, as_json=as_json)


def show_trial_with(
    steps: Steps,
    client: Client,
    identity: str,
    output: Path | None,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """Print a trial as `show_trial` does; download its networks into `output`, if there is one."""
    from service.cli.printing import print_json

    if follow:
        with left_on_interrupt(steps, client, identity):
            trial = _followed(steps, client, identity)
    else:
        trial = client.trial(identity)
    result: TrialResult = {"trial": trial, "runs": client.trial_runs(identity)}
    if trial["state"] == "succeeded" and output is not None:
        result["artifacts"] = _download(steps, client, identity, output)
    if as_json:
        print_json(result)
    elif trial["state"] == "succeeded":
        print_trial(client, trial, result["runs"])
    elif trial["state"] not in ENDED:
        steps.note(f"The trial {identity} is {trial['state']}: {said(trial)}.")
    require_success(trial)


def _followed(steps: Steps, client: Client, identity: str) -> Trial:
    """Show the progress of a trial until it has ended; return it, however it ended."""
    pace = Pace()
    with steps.step("Training") as step:
        for trial in client.watch_trial(identity):
            progress = trial["progress"]
            step.update(progress["steps_done"], progress["steps_total"] or None, said(trial, pace))
    return trial


def said(trial: Trial, pace: Pace | None = None) -> str:
    """Return the stage of a trial, and how long it will take by the steps that are done."""
    progress = trial["progress"]
    text = STAGES.get(progress["stage"], f"{progress['done']} of {progress['total']} runs")
    left = progress["seconds_left"]
    if pace is not None and progress["stage"] == "train":
        own = pace.seconds_left(progress["steps_done"], progress["steps_total"])
        left = left if own is None else own
    return with_time_left(text, left)


def _download(steps: Steps, client: Client, identity: str, folder: Path) -> list[Downloaded]:
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Downloaded] = []
    for artifact in client.trial_artifacts(identity):
        with steps.step(f"Downloading {artifact['name']}", artifact["size"]) as step:
            path = client.download_trial(identity, artifact["name"], folder, step.advance)
        files.append({**artifact, "path": str(path)})
    return files
