"""The engine: SQLite with one writer at a time, or PostgreSQL."""

import sqlite3
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event

IDLE_SECONDS: Final = 10
"""How long a transaction may wait for its process: less than a lease."""

READS_ONLY: Final = {"reads_only": True, "postgresql_readonly": True}
"""Execution options of transactions that write nothing."""
_POOL: Final = {"pool_size": 10, "max_overflow": 30}
"""One for each of the API's threads, or readers would wait behind writers for a connection."""


def make_engine(url: str) -> Engine:
    """Open `url`, with what either database needs to survive several processes.

    PostgreSQL: it ends transactions that nobody goes on with, or a process that is frozen amid one,
    or whose machine is gone, would hold up all others for as long as it likes.
    SQLite: write-ahead log, and every transaction begins as a writer but those of `READS_ONLY`. One
    that starts as a reader and writes later fails at once with SQLITE_BUSY when another wrote in
    between. Errors, which end up in logs, don't show what was read or written.
    """
    if not url.startswith("sqlite"):
        idle = {"options": f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"}
        return create_engine(
            url, hide_parameters=True, connect_args=idle, pool_pre_ping=True, **_POOL
        )
    arguments = {"timeout": 30, "check_same_thread": False}
    engine = create_engine(url, hide_parameters=True, connect_args=arguments, **_POOL)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the begin event below issues BEGIN, not the driver
    for pragma in (
        "busy_timeout=30000",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads_only = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN DEFERRED" if reads_only else "BEGIN IMMEDIATE")
