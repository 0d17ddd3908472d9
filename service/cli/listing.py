"""Lists of jobs, newest first: what `narrows analyses` and `narrows trials` share."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer

from narrows.vocabulary import AnalysisState
from service.cli.options import one_of

if TYPE_CHECKING:
    from narrows.client import Analysis, Client, Trial

J = TypeVar("J", "Analysis", "Trial")

COLOURS = {"running": "green", "planning": "green", "reducing": "green", "failed": "red"}
State = Annotated[
    str | None,
    typer.Option(help=f"Only those in this state: {one_of(get_args(AnalysisState))}."),
]


def print_listed(
    client: "Client", listed: Sequence[J], limit: int, note: Callable[[J], str], *, none: str
) -> None:
    """Print a table of jobs, each with its `note`; `none` says that there are none."""
    if not listed:
        typer.echo(none)
        return
    _print(client, listed, note)
    if len(listed) == limit:
        typer.echo("There may be more: --limit says how many are shown.")


def known_state(text: str | None) -> AnalysisState | None:
    """Return a state; raise BadParameter for what is none."""
    for state in get_args(AnalysisState):
        if state == text:
            known: AnalysisState = state
            return known
    if text is None:
        return None
    raise typer.BadParameter(
        f"{text!r} is no state; choose from {one_of(get_args(AnalysisState))}.",
        param_hint="--state",
    )


def title_of_failure(job: "Analysis | Trial") -> str:
    """Return the title of the problem that a failed job ended with."""
    return job.error.title if job.error else ""


def _print(client: "Client", listed: Sequence[J], note: Callable[[J], str]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table

    names = {i: client.models.retrieve(i).name for i in {item.model_id for item in listed}}
    table = make_table("id", "state", "name", "model", "created", "", "tags")
    for item in listed:
        texts = [
            item.id,
            item.state,
            item.name or "",
            names[item.model_id],
            f"{item.created_at.astimezone():%Y-%m-%d %H:%M}",
            note(item),
            ", ".join(item.tags),
        ]
        table.add_row(*map(escape, texts), style=COLOURS.get(item.state, ""))
    print_table(Console(highlight=False), table)
