"""`narrows analyses`: lists the analyses."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from narrows.vocabulary import AnalysisState
from service.cli.options import one_of

if TYPE_CHECKING:
    from narrows.client import Client
    from narrows.client.types import Analysis

COLOURS = {"running": "green", "planning": "green", "reducing": "green", "failed": "red"}


def analyses(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of analyses.")] = 20,
    state: Annotated[
        str | None,
        typer.Option(help=f"Only those in this state: {one_of(get_args(AnalysisState))}."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the analyses in JSON, as the API returns them.")
    ] = False,
) -> None:
    """List the analyses of your key's owner, the newest first.

    Example: narrows analyses --limit 50

    `narrows show ID` shows one of them again.
    """
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    with connected(Steps()) as client:
        listed = client.analyses(limit, known_state(state))
        if as_json:
            print_json(listed)
        elif listed:
            _print(client, listed)
            if len(listed) == limit:
                typer.echo("There may be more: --limit says how many are shown.")
        else:
            typer.echo("There are no such analyses. Start one with: narrows analyze")


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


def _print(client: "Client", listed: "list[Analysis]") -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.following import said
    from service.cli.tables import make_table, print_table

    names = {i: client.model(i)["name"] for i in {item["model_id"] for item in listed}}
    table = make_table("id", "state", "model", "created", "")
    for item in listed:
        made = datetime.fromisoformat(item["created_at"]).astimezone()
        note = _found(item) or said(item)
        cells = item["id"], item["state"], names[item["model_id"]]
        style = COLOURS.get(item["state"], "")
        table.add_row(*map(escape, cells), f"{made:%Y-%m-%d %H:%M}", escape(note), style=style)
    print_table(Console(highlight=False), table)


def _found(analysis: "Analysis") -> str:
    """Return what an ended analysis found, in a few words."""
    if analysis["state"] == "failed":
        return str((analysis["error"] or {}).get("title", ""))
    if not (summary := analysis["summary"]):
        return ""
    if summary.get("undecided"):  # one layer is, only where all are
        return "undecided"
    count = len(summary["bottlenecks"])
    return f"{count or 'no'} bottleneck{'' if count == 1 else 's'}"
