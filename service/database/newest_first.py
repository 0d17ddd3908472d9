"""Rows ordered by age, newest first, in keyset pages."""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, tuple_

R = TypeVar("R")


def newest_first(
    query: Select[R], table: Any, before: tuple[datetime, str] | None, limit: int
) -> Select[R]:
    """Return the query for up to `limit` rows older than `before`: the `created_at` and `id`."""
    if before is not None:
        query = query.where(tuple_(table.created_at, table.id) < before)
    return query.order_by(table.created_at.desc(), table.id.desc()).limit(limit)
