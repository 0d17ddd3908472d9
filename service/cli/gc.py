"""`narrows gc`: removes what expired, and files that nothing refers to."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.errors import warn

if TYPE_CHECKING:
    from service.retention.due import Due


def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be removed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove what expired, and files in storage that nothing refers to.

    Example: narrows gc --dry-run

    A running API does the same every 15 seconds, and looks for files without a record every 6
    hours. What a running analysis or trial uses is not removed.
    """
    from service.cli.prepare import require_schema
    from service.database.engine import short_lived_engine
    from service.retention.collector import Collector
    from service.startup import checked_settings
    from service.storage.handover import apis_storage

    settings, remarks = checked_settings("gc")
    warn(remarks)
    require_schema(settings)
    with short_lived_engine(settings.resolved_database_url) as engine:
        collector = Collector(settings, engine, apis_storage(settings))
        found = [*collector.due(), *collector.orphans()]
        freed = None if dry_run else sum(map(collector.remove, found))
    if as_json:
        items = [due._asdict() for due in found]
        typer.echo(json.dumps({"dry_run": dry_run, "items": items, "bytes_freed": freed}, indent=2))
    else:
        _print(found, freed)


def _print(found: "list[Due]", freed: int | None) -> None:
    from rich.console import Console
    from rich.markup import escape

    from narrows.report.texts import size
    from service.cli.tables import make_table, print_table

    if not found:
        typer.echo("There is nothing to remove.")
        return
    table = make_table("kind", "id", "owner", "size", "why")
    for due in found:
        owner = escape(due.owner or "")
        table.add_row(due.kind, due.id, owner, size(due.size), due.reason)
    print_table(Console(highlight=False), table)
    if freed is None:
        most = size(sum(due.size for due in found))
        typer.echo(f"{len(found)} would be removed, at most {most}: other uploads may share files.")
    else:
        typer.echo(f"Removed {len(found)}; {size(freed)} are free.")
