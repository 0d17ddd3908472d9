"""The engine: SQLite with one writer at a time, or PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import ConnectionPoolEntry

IDLE_SECONDS: Final = 10
"""How long a transaction may be idle on PostgreSQL: less than a lease."""

READS_ONLY: Final = {"reads_only": True, "postgresql_readonly": True}
"""Execution options of transactions that write nothing."""
_POOL: Final = {"pool_size": 10, "max_overflow": 30}
"""One connection for each thread of the API; with fewer, readers would wait for writers."""


def make_engine(url: str | URL) -> Engine:
    """Return an engine for `url` that several processes can use at once.

    PostgreSQL ends idle transactions: else a process that is frozen or unreachable in the middle of
    a transaction would block all others. SQLite has a write-ahead log, and every transaction but
    those of `READS_ONLY` begins as a writer: one that begins as a reader and then writes fails at
    once with SQLITE_BUSY if another process wrote in between. Errors are logged, so they don't
    contain values of rows.
    """
    if make_url(url).get_backend_name() != "sqlite":
        idle = {"options": f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"}
        return create_engine(
            url, hide_parameters=True, connect_args=idle, pool_pre_ping=True, **_POOL
        )
    arguments = {"timeout": 30, "check_same_thread": False}
    engine = create_engine(url, hide_parameters=True, connect_args=arguments, **_POOL)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def short_lived_engine(url: str | URL) -> Iterator[Engine]:
    """Yield the engine of `make_engine`; close its connections in the end, also after an error."""
    engine = make_engine(url)
    try:
        yield engine
    finally:
        close(engine)


def close(engine: Engine) -> None:
    """Close the engine's connections; those that other threads use, when they are done with them.

    `Engine.dispose` forgets the latter, and Python closes them whenever it collects garbage.
    """
    event.listen(engine.pool, "checkin", _close_one)
    engine.dispose()


def _close_one(_connection: object, record: ConnectionPoolEntry) -> None:
    record.invalidate()


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # `_begin_sqlite` sends BEGIN, not the driver
    for pragma in (
        "busy_timeout=30000",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    # SQLite's own knows only ASCII.
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)


def _begin_sqlite(connection: Connection) -> None:
    reads_only = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN DEFERRED" if reads_only else "BEGIN IMMEDIATE")
