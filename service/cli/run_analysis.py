"""Runs an analysis of files or ids, and collects its results; `analyze` and `demo` share it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from narrows.client import Client
from narrows.client.types import Analysis, Artifact, Layer, Options, Plan, Transform
from service.cli.progress import Steps
from service.cli.uploading import Check, ready_model, upload_dataset


class Built(Artifact):
    path: str
    """The path of the downloaded file."""


class Result(TypedDict):
    """The document that `--json` prints."""

    analysis: Analysis
    layers: list[Layer]
    plans: list[Plan]
    artifacts: NotRequired[list[Built]]


def request_analysis(
    steps: Steps,
    client: Client,
    model: Path | str,
    dataset: Path | str,
    transform: Transform | None = None,
    options: Options | None = None,
    check: Check = lambda: None,
    check_model: Callable[[dict[str, Any]], None] = lambda _: None,
) -> str:
    """Upload the files (paths, not ids), and return the id of an analysis that has begun.

    While waiting, `check` is called repeatedly; it raises if waiting is useless. `check_model` is
    called once with the model's inspection, before the dataset is uploaded. Raises CommandError if
    a file is rejected.
    """
    inspected = ready_model(steps, client, model, check)
    check_model(inspected["inspection"] or {})
    if isinstance(dataset, Path):
        dataset = upload_dataset(steps, client, dataset, transform, check)["id"]
    return client.analyze(inspected["id"], dataset, **(options or {}))["id"]


def result_of(steps: Steps, client: Client, analysis: Analysis, output: Path | None) -> Result:
    """Return the results of an analysis that succeeded.

    The networks that it built are downloaded into the folder `output`, if there is one.
    """
    identity = analysis["id"]
    result: Result = {
        "analysis": analysis,
        "layers": client.layers(identity),
        "plans": client.plans(identity),
    }
    if analysis["request"].get("build") and output is not None:
        result["artifacts"] = _download(steps, client, identity, output)
    return result


def _download(steps: Steps, client: Client, identity: str, folder: Path) -> list[Built]:
    built: list[Built] = []
    for artifact in client.artifacts(identity):
        with steps.step(f"Downloading {artifact['name']}", artifact["size"]) as step:
            path = client.download(identity, artifact["name"], folder, step.advance)
        built.append({**artifact, "path": str(path)})
    return built
