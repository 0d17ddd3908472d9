"""Migrates a database to the schema of this version, and checks whether it has that schema."""

import logging
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine

from service.database.engine import short_lived_engine
from service.settings import Settings

_INSTALLED = Path(__file__).with_name("migrations")
_MIGRATIONS = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "migrations"
"""In an installed copy, the folder is beside this file; in a checkout, it is at the top."""

logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)  # it logs every check


def alembic_config(url: URL | None = None) -> Config:
    """Return Alembic's configuration for the migrations that ship with this package.

    `migrations/env.py` finds the URL in `attributes`: options are text in which % is special.
    """
    config = Config(attributes={"url": url})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def upgrade(settings: Settings) -> None:
    """Migrate the database to this version; concurrent calls wait for the first."""
    command.upgrade(alembic_config(settings.resolved_database_url), "head")


def upgrade_embedded(settings: Settings) -> None:
    """Migrate an SQLite database; for PostgreSQL, the operator runs `narrows migrate`."""
    if settings.resolved_database_url.get_backend_name() == "sqlite":
        upgrade(settings)


def revision(settings: Settings) -> str | None:
    """Return the version of the database's schema; None if it has no schema."""
    with (
        short_lived_engine(settings.resolved_database_url) as engine,
        engine.connect() as connection,
    ):
        return MigrationContext.configure(connection).get_current_revision()


def is_current(engine: Engine) -> bool:
    """Return whether the database has the schema that this code expects."""
    with engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == _heads()


@cache
def _heads() -> set[str]:
    return set(ScriptDirectory.from_config(alembic_config()).get_heads())
