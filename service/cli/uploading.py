"""Turns a file or an id into an upload that is ready."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer

from narrows.client import Client
from narrows.client.transfer import LARGE
from narrows.client.types import Dataset, DatasetUpload, Model, ModelUpload, Problem, Transform
from service.cli.errors import CommandError
from service.cli.progress import Step, Steps

Check = Callable[[], None]
F = TypeVar("F", Model, Dataset)


def source(text: str, *prefixes: str) -> Path | str:
    """Return `text` as the path of a file, or as an id; raise BadParameter if it is neither."""
    path = Path(text)
    if path.is_file():
        return path
    if re.fullmatch(rf"({'|'.join(prefixes)})_[0-9a-f]{{24}}", text):
        return text
    ids = " or ".join(f"{prefix}_…" for prefix in prefixes)
    raise typer.BadParameter(f"{text} is neither an existing file nor an id ({ids}).")


def require_id(text: str, *prefixes: str) -> str:
    """Return `text` if it is an id with one of the prefixes; raise BadParameter if it is not."""
    if re.fullmatch(rf"({'|'.join(prefixes)})_[0-9a-f]{{24}}", text.strip()):
        return text.strip()
    lists = " and ".join(f"`narrows {_LISTS[prefix]}`" for prefix in prefixes)
    ids = " or ".join(f"{prefix}_…" for prefix in prefixes)
    verb = "list" if len(prefixes) > 1 else "lists"
    raise typer.BadParameter(f"{text} is not an id ({ids}); {lists} {verb} them.")


_LISTS = {"ana": "analyses", "trl": "trials"}


def ready_model(
    steps: Steps,
    client: Client,
    model: Path | str,
    check: Check = lambda: None,
    declared: ModelUpload | None = None,
) -> Model:
    """Return the inspected model, uploaded if it is a file; raise CommandError if it is rejected.

    `declared` is said of it beside the file. `check` is called repeatedly while waiting.
    """
    identity = model
    if isinstance(model, Path):
        with _sending(steps, model) as step:
            identity = client.models.upload(model, step.advance, **(declared or {})).id
    return _inspected(steps, str(model), client.models.watch(str(identity)), check)


def upload_dataset(
    steps: Steps,
    client: Client,
    path: Path,
    transform: Transform | None,
    check: Check = lambda: None,
    declared: DatasetUpload | None = None,
) -> Dataset:
    """Upload a dataset and return it once it is ready; raise CommandError if it is rejected."""
    with _sending(steps, path) as step:
        fields: DatasetUpload = {**(declared or {})}
        if transform is not None:
            fields["transform"] = transform
        identity = client.datasets.upload(path, step.advance, **fields).id
    return _inspected(steps, str(path), client.datasets.watch(identity), check)


def ready_dataset(
    steps: Steps, client: Client, dataset: Path | str, transform: Transform | None = None
) -> Dataset:
    """Return the inspected dataset, uploaded if it is a file, as `ready_model` does."""
    if isinstance(dataset, Path):
        return upload_dataset(steps, client, dataset, transform)
    return _inspected(steps, dataset, client.datasets.watch(dataset), lambda: None)


@contextmanager
def _sending(steps: Steps, path: Path) -> Iterator[Step]:
    """Show the upload of a file; after Ctrl-C, say what becomes of what has arrived."""
    size = path.stat().st_size
    try:
        with steps.step(f"Uploading {path.name}", size) as step:
            yield step
    except KeyboardInterrupt:
        if size > LARGE:
            steps.note("What has arrived stays there for days: the same command sends the rest.")
        raise


def _inspected(steps: Steps, name: str, watched: Iterator[F], check: Check) -> F:
    """Wait for the end of an inspection; return the upload, or raise CommandError."""
    with steps.step(f"Inspecting {Path(name).name}"):
        for upload in watched:
            check()
            if upload.state == "rejected":
                raise CommandError(f"{name} was rejected.\n{text_of(upload.error)}")
        return upload


def text_of(problem: Problem | None) -> str:
    """Return a problem as one line."""
    return f"{problem.title}: {problem.detail}" if problem else "The server does not say why."
