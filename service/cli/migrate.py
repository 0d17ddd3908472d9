"""`narrows migrate`: brings the database to the schema of this version."""

import typer

from service.cli.errors import warn


def migrate() -> None:
    """Bring the database to the schema of this version.

    Example: NARROWS_DATABASE_URL=postgresql://narrows@db/narrows narrows migrate

    It is safe to run it again, or several times at once. An SQLite database needs no command:
    `narrows up` and `narrows api` migrate it.
    """
    from service.database.migrate import revision, upgrade
    from service.startup import checked_settings

    settings, remarks = checked_settings("migrate")
    warn(remarks)
    before = revision(settings)
    upgrade(settings)
    after = revision(settings)
    if before == after:
        typer.echo(f"The database is up to date: {after}.")
    else:
        typer.echo(f"Migrated the database from {before or 'nothing'} to {after}.")
