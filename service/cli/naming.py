"""What things are called: options that name them, options that find them, and how it is shown."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from narrows.client import Analysis, Trial

Name = Annotated[str | None, typer.Option(help="A name to find it again by.")]
Tag = Annotated[list[str] | None, typer.Option(help="A tag to list it by; may be repeated.")]
Metadata = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Such as git_commit=9d5e4f6; may be repeated."),
]

Search = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Only those with this in their name, a tag, the name of their model or dataset, or at "
        "the beginning of their id.",
    ),
]
OfTag = Annotated[
    list[str] | None, typer.Option("--tag", help="Only those with this tag; may be repeated.")
]
OfMetadata = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata", metavar="KEY=VALUE", help="Only those with this pair; may be repeated."
    ),
]
OfModel = Annotated[
    str | None, typer.Option("--model", metavar="ID", help="Only those of this model.")
]
OfDataset = Annotated[
    str | None, typer.Option("--dataset", metavar="ID", help="Only those of this dataset.")
]
_TIMES = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
CreatedAfter = Annotated[
    datetime | None, typer.Option(formats=_TIMES, help="Only those of this time or later.")
]
CreatedBefore = Annotated[
    datetime | None, typer.Option(formats=_TIMES, help="Only those of before this time.")
]


def naming_of(
    name: str | None, tags: list[str] | None, metadata: list[str] | None
) -> dict[str, Any]:
    """Return what was given of a name, tags and metadata; raise BadParameter.

    >>> naming_of(None, ["nightly"], ["epochs=30", "ema=true", "commit=9d5"])
    {'tags': ['nightly'], 'metadata': {'epochs': 30, 'ema': True, 'commit': '9d5'}}
    """
    given = {"name": name, "tags": tags, "metadata": dict(_pairs(metadata or ()))}
    naming = {key: value for key, value in given.items() if value}
    if naming:
        from pydantic import ValidationError

        from service.naming.schemas import Naming
        from service.plain_errors import explain

        try:
            Naming.model_validate(naming)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0]).replace("tags", "tag")
            raise typer.BadParameter(explain(first), param_hint=f"--{field}") from None
    return naming


def filters_of(
    search: str | None,
    tag: list[str] | None,
    metadata: list[str] | None,
    model: str | None,
    dataset: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
) -> dict[str, Any]:
    """Return the filters of a list; times without a zone are local ones. Raises BadParameter."""
    for _ in _pairs(metadata or ()):
        pass  # each is checked
    return {
        "q": search,
        "tag": tag,
        "metadata": metadata,
        "model_id": _id_of("model", model),
        "dataset_id": _id_of("dataset", dataset),
        "created_after": created_after and created_after.astimezone(),
        "created_before": created_before and created_before.astimezone(),
    }


def _id_of(noun: str, text: str | None) -> str | None:
    """Return the id of an upload; raise BadParameter for what is none."""
    if text is not None and not re.fullmatch(r"[a-z]{3}_[0-9a-f]{24}", text):
        raise typer.BadParameter(
            f"{text} is not an id, as `narrows upload` prints.", param_hint=f"--{noun}"
        )
    return text


def print_naming(console: "Console", job: "Analysis | Trial") -> None:
    """Print what a job is called, if it is called anything."""
    from service.cli.tables import print_text

    if job.name:
        print_text(console, job.name, "bold")
    if job.tags:
        print_text(console, f"Tags: {', '.join(job.tags)}")
    if job.metadata:
        print_text(console, f"Metadata: {_listed(job.metadata)}")


def _listed(metadata: Mapping[str, Any]) -> str:
    from service.naming.readings import write

    return ", ".join(f"{key}={write(value)}" for key, value in metadata.items())


def _pairs(texts: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield the pairs in texts such as epochs=30; raise BadParameter."""
    from service.naming.readings import read

    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(
                f"{text!r} does not have the form KEY=VALUE, such as git_commit=9d5e4f6.",
                param_hint="--metadata",
            )
        yield key, read(value)
