"""Prepares what commands do in the database: the schema, and the key of an embedded server."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from service.cli.errors import CommandError, warn
from service.database.engine import short_lived_engine
from service.database.migrate import is_current, upgrade_embedded
from service.keys.service import ensure_local_key
from service.settings import Settings
from service.startup import Command, checked_settings


def require_schema(settings: Settings) -> None:
    """Migrate an SQLite database; raise CommandError if another database is not migrated."""
    upgrade_embedded(settings)
    with short_lived_engine(settings.resolved_database_url) as engine:
        if not is_current(engine):
            raise CommandError("The database is not of this version: run `narrows migrate` first.")


@contextmanager
def opened(command: Command) -> Iterator[tuple[Session, Settings]]:
    """Yield a transaction in the database of this version, and the settings, for a command.

    Raises SettingsError, and CommandError as `require_schema` does.
    """
    settings, remarks = checked_settings(command)
    warn(remarks)
    require_schema(settings)
    with (
        short_lived_engine(settings.resolved_database_url) as engine,
        Session(engine) as session,
        session.begin(),
    ):
        yield session, settings


def local_key(settings: Settings) -> tuple[str, bool]:
    """Return the API key of this machine's user, and whether this call created it."""
    with (
        short_lived_engine(settings.resolved_database_url) as engine,
        Session(engine) as session,
        session.begin(),
    ):
        return ensure_local_key(settings, session)
