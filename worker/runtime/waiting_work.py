"""Finds waiting work: whose there is, which piece of an owner goes first, how much there is.

Queries are built once: that takes longer than the database takes to answer them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from service.database.clock import epoch_now
from service.database.jobs import Part
from worker.runtime.leases import Work
from worker.runtime.messages import Ids
from worker.runtime.work.table import ALL_WORK

OWNER: Final = "owner"
SECONDS: Final = "seconds"


def owners(connection: Connection, queue: str) -> dict[str, set[str]]:
    """Return the owners with work that waits in a queue, each with the tasks of it."""
    found: dict[str, set[str]] = defaultdict(set)
    for owner, task in connection.execute(_owners(queue)):
        found[owner].add(task)
    return dict(found)


def first(connection: Connection, works: Iterable[Work], owner: str) -> tuple[Work, Ids] | None:
    """Return the piece of an owner that has waited longest, of these kinds, and lock its row.

    Rows that another transaction has locked are passed over.
    """
    found = []
    for work in works:
        row = connection.execute(_first(work), {OWNER: owner}).one_or_none()
        if row:
            found.append((row[0], work, tuple(row[1:])))
    if not found:
        return None
    _, work, ids = min(found, key=lambda piece: piece[0])
    return work, ids


def count(connection: Connection, queue: str, seconds: float) -> Counter[str]:
    """Return how many pieces of each owner have waited in a queue for more than `seconds`."""
    found: Counter[str] = Counter()
    for owner, pieces in connection.execute(_count(queue), {SECONDS: seconds}):
        found[owner] += pieces
    return found


def _works(queue: str) -> list[Work]:
    return [work for work in ALL_WORK if work.queue == queue]


@cache
def _owners(queue: str) -> CompoundSelect[Any]:
    queries = []
    for work in _works(queue):
        query, owner = _with_owner(work)
        queries.append(query.with_only_columns(owner, literal(work.task)).distinct())
    return union_all(*queries)


@cache
def _first(work: Work) -> Select[Any]:
    query, owner = _with_owner(work)
    return (
        query.with_only_columns(work.table.waits_from, *work.key)
        .where(owner == bindparam(OWNER))
        .order_by(work.table.waits_from, *work.key)
        .limit(1)
        .with_for_update(skip_locked=True, of=work.table)
    )


@cache
def _count(queue: str) -> CompoundSelect[Any]:
    queries = []
    for work in _works(queue):
        query, owner = _with_owner(work)
        overdue = work.table.waits_from < epoch_now() - bindparam(SECONDS)
        counted = query.with_only_columns(owner, func.count()).where(overdue)
        queries.append(counted.group_by(owner))
    return union_all(*queries)


def _with_owner(work: Work) -> tuple[Select[Any], Any]:
    """Return a query on the waiting rows of a kind of work, and the column of their owner."""
    table: Any = work.table
    query = select(table).where(work.waits)
    if work.job is None or not issubclass(table, Part):
        return query, table.owner
    job = aliased(work.job.table)  # not the table itself, to which `work.wanted` correlates
    return query.select_from(table).join(job, work.job.refers(table, job.id)), job.owner
