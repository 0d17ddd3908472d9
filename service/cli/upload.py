"""`narrows upload`: uploads a network or a dataset, for analyses to come."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.naming import Metadata, Name, Tag, naming_of


def upload(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A `.pt2` file, or a dataset.")
    ],
    transform: Annotated[
        str | None,
        typer.Option(help="Of a dataset: preprocessing, in JSON, as in `narrows analyze`."),
    ] = None,
    name: Name = None,
    tag: Tag = None,
    metadata: Metadata = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="How long it is kept. Default: as the server says."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it in JSON, as the API returns it.")
    ] = False,
) -> None:
    """Upload a network or a dataset, wait for its inspection, and print its id.

    Example: narrows upload photos.zip --name photos-v2 --tag holdout

    A large file goes in parts. After a cut, or Ctrl-C, the same command sends only what is missing.
    """
    from narrows.client.types import Dataset, Model
    from service.cli.checks import checked_transform
    from service.cli.following import connected
    from service.cli.printing import json_of
    from service.cli.progress import Steps
    from service.cli.uploading import ready_model, upload_dataset

    is_model = file.suffix == ".pt2"
    if is_model and transform is not None:
        raise typer.BadParameter("--transform belongs to a dataset; leave it out.")
    preprocessing = None if transform is None else checked_transform(transform)
    declared: Any = naming_of(name, tag, metadata)
    if days is not None:
        declared["expires_at"] = datetime.now(UTC) + timedelta(days=days)
    steps = Steps()
    with connected(steps) as client:
        uploaded: Model | Dataset
        if is_model:
            uploaded = ready_model(steps, client, file, declared=declared)
        else:
            uploaded = upload_dataset(steps, client, file, preprocessing, declared=declared)
    typer.echo(json_of(uploaded) if as_json else uploaded.id)
