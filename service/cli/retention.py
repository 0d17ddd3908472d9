"""`narrows retention`: for how long the things of an owner are kept, directly in the database."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.retention.keep import Keeps

Days = Annotated[
    float | None, typer.Option(min=0, max=36_500, help="Days; 0: as the settings say.")
]


def retention(
    owner: Annotated[
        str | None, typer.Argument(help="The owner; without it, all are listed.")
    ] = None,
    uploads: Days = None,
    results: Days = None,
    artifacts: Days = None,
) -> None:
    """Set for how many days an owner's uploads, results and built networks are kept.

    Example: narrows retention ann --uploads 30 --results 365

    It holds instead of NARROWS_KEEP_UPLOADS_DAYS, NARROWS_KEEP_RESULTS_DAYS and
    NARROWS_KEEP_ARTIFACTS_DAYS. Without options it shows what holds.
    """
    from service.cli.prepare import opened
    from service.database.retention import Retention
    from service.retention.keep import Keeps

    asked = {"uploads": uploads, "results": results, "artifacts": artifacts}
    given = {name: days or None for name, days in asked.items() if days is not None}
    if given and owner is None:
        raise typer.BadParameter("Name the owner: narrows retention OWNER --uploads 30.")
    with opened("gc") as (session, settings):
        if owner is not None and given:
            row = session.get(Retention, owner) or Retention(owner=owner)
            for name, days in given.items():
                setattr(row, name, days)
            session.add(row)
            session.flush()
        keeps = Keeps.of(session, settings)
    _print(keeps, owner)


def _print(keeps: "Keeps", owner: str | None) -> None:
    from rich.console import Console
    from rich.markup import escape

    from service.cli.tables import make_table, print_table

    table = make_table("owner", "uploads", "results", "artifacts")
    rows = {"(all others)": keeps.default, **keeps.owners} if owner is None else {}
    if owner is not None:
        rows = {owner: keeps.of_owner(owner)}
    for name, keep in rows.items():
        days = (keep.uploads, keep.results, keep.artifacts)
        table.add_row(escape(name), *("for ever" if d is None else f"{d:g} days" for d in days))
    print_table(Console(highlight=False), table)
