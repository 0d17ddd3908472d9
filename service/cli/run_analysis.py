"""Runs an analysis of files or ids, and shows its progress; `analyze` and `demo` share it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from narrows.client import ApiError, Client, UnreachableError
from narrows.client.types import Analysis, Artifact, Layer, Options, Plan, Transform
from service.cli.errors import CommandError, TerminatedError
from service.cli.progress import Steps
from service.cli.uploading import ready_model, text_of, upload_dataset

STAGES = {"queued": "waiting for a worker", "plan": "planning", "reduce": "reducing", "done": ""}


class Built(Artifact):
    path: str
    """The path of the downloaded file."""


class Result(TypedDict):
    """The document that `--json` prints."""

    analysis: Analysis
    layers: list[Layer]
    plans: list[Plan]
    artifacts: NotRequired[list[Built]]


def run_analysis(
    client: Client,
    model: Path | str,
    dataset: Path | str,
    transform: Transform | None = None,
    options: Options | None = None,
    check: Callable[[], None] = lambda: None,
    check_model: Callable[[dict[str, Any]], None] = lambda _: None,
    output: Path = Path(),
) -> Result:
    """Upload the files (paths, not ids), analyse, and return the result.

    Built networks are downloaded into the folder `output`. While waiting, `check` is called
    repeatedly; it raises if waiting is useless. `check_model` is called once with the model's
    inspection, before the dataset is uploaded. An interruption cancels the analysis. Raises
    CommandError if a file is rejected or the analysis does not succeed.
    """
    steps = Steps()
    inspected = ready_model(steps, client, model, check)
    check_model(inspected["inspection"] or {})
    if isinstance(dataset, Path):
        dataset = upload_dataset(steps, client, dataset, transform, check)["id"]
    identity = client.analyze(inspected["id"], dataset, **(options or {}))["id"]
    with _cancelled_if_interrupted(client, identity):
        analysis = _watch(steps, client.watch(identity), check)
    result: Result = {
        "analysis": analysis,
        "layers": client.layers(identity),
        "plans": client.plans(identity),
    }
    if analysis["request"].get("build"):
        result["artifacts"] = _download(steps, client, identity, output)
    return result


def _download(steps: Steps, client: Client, identity: str, folder: Path) -> list[Built]:
    built: list[Built] = []
    for artifact in client.artifacts(identity):
        with steps.step(f"Downloading {artifact['name']}", artifact["size"]) as step:
            path = client.download(identity, artifact["name"], folder, step.advance)
        built.append({**artifact, "path": str(path)})
    return built


def _watch(steps: Steps, watched: Iterator[Analysis], check: Callable[[], None]) -> Analysis:
    with steps.step("Analysing") as step:
        for analysis in watched:
            check()
            progress = analysis["progress"]
            note = STAGES.get(
                progress["stage"], f"{progress['done']} of {progress['total']} shards"
            )
            if left := progress["seconds_left"]:
                note = f"{note}, {left:.0f} s left"
            step.update(progress["done"], progress["total"] or None, note)
        if analysis["state"] == "failed":
            raise CommandError(
                f"The analysis {analysis['id']} failed.\n{text_of(analysis['error'])}"
            )
        if analysis["state"] == "cancelled":
            raise CommandError(f"The analysis {analysis['id']} was cancelled.")
    return analysis


@contextmanager
def _cancelled_if_interrupted(client: Client, identity: str) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, TerminatedError):
        with suppress(ApiError, UnreachableError):
            client.cancel(identity)
        raise
