"""From what was given, a file or an id, to an upload that is fit for use."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from narrows.client import Client
from narrows.client.types import Transform, Upload
from service.cli.errors import CommandError
from service.cli.progress import Steps

Check = Callable[[], None]


def source(given: str, prefix: str) -> Path | str:
    """Return the path of a file, or an id as it is; raise BadParameter for neither."""
    path = Path(given)
    if path.is_file():
        return path
    if re.fullmatch(rf"{prefix}_[0-9a-f]{{24}}", given):
        return given
    raise typer.BadParameter(f"There is no file {given}, nor is that an id ({prefix}_…).")


def ready_model(
    steps: Steps, client: Client, given: Path | str, check: Check = lambda: None
) -> Upload:
    """Return the model, uploaded if it is a file; raise CommandError if it is rejected."""
    identity = given
    if isinstance(given, Path):
        with steps.step(f"Uploading {given.name}", given.stat().st_size) as step:
            identity = client.upload_model(given, step.advance)["id"]
    return _inspected(steps, str(given), client.watch_model(str(identity)), check)


def upload_dataset(
    steps: Steps,
    client: Client,
    path: Path,
    transform: Transform | None,
    check: Check = lambda: None,
) -> Upload:
    """Upload a dataset and return it once it is ready; raise CommandError if it is rejected."""
    with steps.step(f"Uploading {path.name}", path.stat().st_size) as step:
        identity = client.upload_dataset(path, transform, step.advance)["id"]
    return _inspected(steps, str(path), client.watch_dataset(identity), check)


def _inspected(steps: Steps, given: str, watched: Iterator[Upload], check: Check) -> Upload:
    """Wait for the end of an inspection; `check` is called now and then."""
    with steps.step(f"Inspecting {Path(given).name}"):
        for upload in watched:
            check()
            if upload["state"] == "rejected":
                raise CommandError(f"{given} was rejected.\n{text_of(upload['error'])}")
        return upload


def text_of(problem: Mapping[str, Any] | None) -> str:
    """Return a problem document as a line."""
    return f"{problem['title']}: {problem['detail']}" if problem else "The server does not say why."
