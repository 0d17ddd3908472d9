"""Runs migrations in one transaction, during which other processes wait."""

from alembic import context
from sqlalchemy import text

from service.database import tables
from service.database.engine import make_engine
from service.settings import get_settings

LOCK = 0x6E6172726F7773  # an arbitrary number that only Narrows' migrations lock on PostgreSQL


def main() -> None:
    url = context.config.attributes.get("url") or get_settings().resolved_database_url
    engine = make_engine(url)
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if sqlite:
            # Batch migrations rebuild tables, and dropping the old table must not delete rows that
            # refer to it. The pragma has no effect in a transaction, so SQLAlchemy is bypassed.
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        with connection.begin():  # on SQLite BEGIN IMMEDIATE: one process at a time
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            context.configure(
                connection=connection,
                target_metadata=tables.Layer.metadata,
                render_as_batch=True,
                compare_type=True,
            )
            context.run_migrations()
    engine.dispose()


main()
