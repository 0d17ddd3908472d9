"""Runs an analysis of files or ids, and collects its results; `analyze` and `demo` share it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narrows.client import Analysis, Client
from narrows.client.types import AnalysisOptions, Artifact, Layer, Plan, Transform
from service.cli.progress import Steps
from service.cli.uploading import Check, ready_model, upload_dataset


@dataclass(frozen=True)
class Result:
    """An analysis with its results, and where the networks that it built were downloaded to."""

    analysis: Analysis
    layers: list[Layer]
    plans: list[Plan]
    built: list[tuple[Artifact, Path]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `--json` prints."""
        document = {"analysis": self.analysis, "layers": self.layers, "plans": self.plans}
        if self.built is None:
            return document
        files = [{**artifact.to_dict(), "path": str(path)} for artifact, path in self.built]
        return {**document, "artifacts": files}


def request_analysis(
    steps: Steps,
    client: Client,
    model: Path | str,
    dataset: Path | str,
    transform: Transform | None = None,
    options: AnalysisOptions | None = None,
    check: Check = lambda: None,
    check_model: Callable[[dict[str, Any]], None] = lambda _: None,
) -> str:
    """Upload the files (paths, not ids), and return the id of an analysis that has begun.

    While waiting, `check` is called repeatedly; it raises if waiting is useless. `check_model` is
    called once with the model's inspection, before the dataset is uploaded. Raises CommandError if
    a file is rejected.
    """
    inspected = ready_model(steps, client, model, check)
    check_model(inspected.inspection or {})
    if isinstance(dataset, Path):
        dataset = upload_dataset(steps, client, dataset, transform, check).id
    asked = options or {}
    return client.analyses.create(model_id=inspected.id, dataset_id=dataset, **asked).id


def result_of(steps: Steps, client: Client, analysis: Analysis, output: Path | None) -> Result:
    """Return the results of an analysis that succeeded.

    The networks that it built are downloaded into the folder `output`, if there is one.
    """
    built = None
    if analysis.request.get("build") and output is not None:
        built = _download(steps, client, analysis, output)
    return Result(analysis, [*analysis.layers], [*analysis.plans], built)


def _download(
    steps: Steps, client: Client, analysis: Analysis, folder: Path
) -> list[tuple[Artifact, Path]]:
    built = []
    for artifact in analysis.artifacts:
        with steps.step(f"Downloading {artifact.name}", artifact.size) as step:
            path = client.analyses.download(analysis.id, artifact.name, folder, step.advance)
        built.append((artifact, path))
    return built
