"""Reads the rows of claimed work."""

from typing import Any

from sqlalchemy import Connection, Executable, Row

from worker.runtime.leases import LeaseLostError


def one_row(connection: Connection, query: Executable) -> Row[Any]:
    """Return the one row of claimed work; raise LeaseLostError if it was deleted meanwhile."""
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LeaseLostError
    return row
