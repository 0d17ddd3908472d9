"""What a server needs before it starts: the schema, and for the embedded one its key."""

from sqlalchemy.orm import Session

from service.cli.errors import CommandError
from service.database.engine import make_engine
from service.database.migrate import is_current, upgrade
from service.keys.service import ensure_local_key
from service.settings import Settings


def is_embedded(settings: Settings) -> bool:
    """Return whether the database is a file of ours, which nobody else migrates."""
    return settings.resolved_database_url.startswith("sqlite")


def require_schema(settings: Settings) -> None:
    """Migrate an embedded database; raise CommandError where another one is not migrated."""
    if is_embedded(settings):
        upgrade(settings)
        return
    engine = make_engine(settings.resolved_database_url)
    try:
        if not is_current(engine):
            raise CommandError("The database is not of this version: run `narrows migrate` first.")
    finally:
        engine.dispose()


def local_key(settings: Settings) -> tuple[str, bool]:
    """Return the key of this machine's user, and whether it was made just now."""
    engine = make_engine(settings.resolved_database_url)
    try:
        with Session(engine) as session, session.begin():
            return ensure_local_key(settings, session)
    finally:
        engine.dispose()
