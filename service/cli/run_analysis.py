"""From two files (or ids) to the result, with progress; `analyze` and `demo` share it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

from service.cli.errors import CommandError, Terminated
from service.cli.progress import Steps
from service.client import ApiError, Client, UnreachableError
from service.client_types import Analysis, Layer, Options, Plan, Transform, Upload

STAGES = {"queued": "waiting for a worker", "plan": "planning", "reduce": "judging", "done": ""}


class Result(TypedDict):
    """The document that `--json` prints."""

    analysis: Analysis
    layers: list[Layer]
    plans: list[Plan]


def run_analysis(
    client: Client,
    model: Path | str,
    dataset: Path | str,
    transform: Transform | None = None,
    options: Options | None = None,
    check: Callable[[], None] = lambda: None,
) -> Result:
    """Upload what is a path rather than an id, analyse, and return the result.

    `check` is called now and then, to raise what makes waiting useless. An interruption calls the
    analysis off. Raises CommandError where a file is rejected or the analysis does not succeed.
    """
    steps = Steps()
    if isinstance(model, Path):
        path = model
        with steps.step(f"Uploading {path.name}", path.stat().st_size) as step:
            model = client.upload_model(path, step.advance)["id"]
        _inspect(steps, path, client.watch_model(model), check)
    if isinstance(dataset, Path):
        path = dataset
        with steps.step(f"Uploading {path.name}", path.stat().st_size) as step:
            dataset = client.upload_dataset(path, transform, step.advance)["id"]
        _inspect(steps, path, client.watch_dataset(dataset), check)
    identity = client.analyze(model, dataset, **(options or {}))["id"]
    with _called_off_if_interrupted(client, identity):
        analysis = _watch(steps, client.watch(identity), check)
    return {
        "analysis": analysis,
        "layers": client.layers(identity),
        "plans": client.plans(identity),
    }


def _inspect(
    steps: Steps, path: Path, watched: Iterator[Upload], check: Callable[[], None]
) -> None:
    with steps.step(f"Inspecting {path.name}"):
        for upload in watched:
            check()
            if upload["state"] == "rejected":
                raise CommandError(f"{path} was rejected.\n{_text(upload['error'])}")


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
            raise CommandError(f"The analysis {analysis['id']} failed.\n{_text(analysis['error'])}")
        if analysis["state"] == "cancelled":
            raise CommandError(f"The analysis {analysis['id']} was cancelled.")
    return analysis


@contextmanager
def _called_off_if_interrupted(client: Client, identity: str) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        with suppress(ApiError, UnreachableError):
            client.cancel(identity)
        raise


def _text(problem: Mapping[str, Any] | None) -> str:
    return f"{problem['title']}: {problem['detail']}" if problem else "The server does not say why."
