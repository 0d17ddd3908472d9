"""`narrows workers`: shows the workers and their work."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from narrows.client.types import Work, Worker

COLOURS = {"idle": "", "busy": "green", "gone": "red"}


def workers(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the workers in JSON, as the API returns them.")
    ] = False,
) -> None:
    """Show the workers and what they do.

    Example: narrows workers

    A worker is gone if its heartbeat has stopped; it stays in the list for an hour.
    """
    from service.cli.following import connected
    from service.cli.printing import print_json
    from service.cli.progress import Steps

    with connected(Steps()) as client:
        listed = [*client.workers.list()]
    if as_json:
        print_json(listed)
    elif listed:
        _print(listed)
    else:
        typer.echo("There are no workers. Start some with: narrows worker")


def _print(listed: "list[Worker]") -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table

    table = make_table("worker", "state", "device", "queues", "seen")
    for worker in listed:
        seen = worker.seen_at.astimezone()
        state = f"{worker.state}{_of(worker.work)}"
        cells = worker.name, state, worker.device or "", ", ".join(worker.queues)
        colour = COLOURS[worker.state]
        table.add_row(*map(escape, cells), f"{seen:%Y-%m-%d %H:%M:%S}", style=colour)
    print_table(Console(highlight=False), table)


def _of(work: "Work | None") -> str:
    if work is None:
        return ""
    part = "" if work.shard is None else f" {work.shard}"
    return f": {work.task}{part} of {work.job or 'another owner'}"
