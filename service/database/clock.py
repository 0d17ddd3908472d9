"""The database's clock. It times leases and messages, since workers' clocks may differ."""

from typing import Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class epoch_now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function that it is
    """The time in seconds since the epoch: that of the call, not of the transaction's start."""

    type = Double()
    inherit_cache = True


@compiles(epoch_now, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(epoch_now, "postgresql")
def _postgresql(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"
