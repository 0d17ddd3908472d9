"""`narrows trials`: lists the trials."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from narrows.vocabulary import AnalysisState
from service.cli.analyses import COLOURS, known_state
from service.cli.options import one_of

if TYPE_CHECKING:
    from narrows.client import Client
    from narrows.client.trial_types import Trial


def trials(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of trials.")] = 20,
    state: Annotated[
        str | None,
        typer.Option(help=f"Only those in this state: {one_of(get_args(AnalysisState))}."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the trials in JSON, as the API returns them.")
    ] = False,
) -> None:
    """List the trials of your key's owner, the newest first.

    Example: narrows trials --limit 50

    `narrows show ID` shows one of them again.
    """
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    with connected(Steps()) as client:
        listed = client.trials(limit, known_state(state))
        if as_json:
            print_json(listed)
        elif listed:
            _print(client, listed)
            if len(listed) == limit:
                typer.echo("There may be more: --limit says how many are shown.")
        else:
            typer.echo("There are no such trials. Start one with: narrows trial")


def _print(client: "Client", listed: "list[Trial]") -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table

    names = {i: client.model(i)["name"] for i in {item["model_id"] for item in listed}}
    table = make_table("id", "state", "model", "created", "")
    for item in listed:
        made = datetime.fromisoformat(item["created_at"]).astimezone()
        cells = item["id"], item["state"], names[item["model_id"]]
        style = COLOURS.get(item["state"], "")
        table.add_row(
            *map(escape, cells), f"{made:%Y-%m-%d %H:%M}", escape(_note(item)), style=style
        )
    print_table(Console(highlight=False), table)


def _note(trial: "Trial") -> str:
    """Return how far a trial is, or what an ended one found, in a few words."""
    from service.cli.run_trial import said

    if trial["state"] == "failed":
        return str((trial["error"] or {}).get("title", ""))
    if not (summary := trial["summary"]):
        return said(trial)
    gains = [(row["gain"]["value"], row["name"]) for row in summary["variants"] if row["gain"]]
    return "{1} gains {0:+.4f}".format(*max(gains)) if gains else ""
