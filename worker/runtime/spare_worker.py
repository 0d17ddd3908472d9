"""Keeps a worker free for others: an owner's inspections never hold all workers of their queue.

Inspections are short, and somebody waits for them. A few uploads that take long, such as bombs,
would hold up everybody else's until the first of them has ended.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, func, select

from service.database.clock import epoch_now
from service.database.tables import Worker
from worker.runtime.work.table import ALL_WORK


def owners_to_pass_over(connection: Connection, queue: str, owners: Collection[str]) -> list[str]:
    """Return those of the owners who hold all workers of a queue but one."""
    kinds = [work for work in ALL_WORK if work.queue == queue and work.spares_a_worker]
    if not kinds or not owners:
        return []
    alive = connection.scalars(select(Worker.queues).where(Worker.alive_until > epoch_now()))
    workers = sum(queue in queues for queues in alive)
    if workers < 2:
        return []
    held: Counter[str] = Counter()
    for work in kinds:
        table: Any = work.table
        mine = table.state == work.held, table.lease_until > epoch_now()
        query = select(table.owner, func.count()).where(*mine).group_by(table.owner)
        for owner, count in connection.execute(query):
            held[owner] += count
    return [owner for owner in owners if held[owner] >= workers - 1]
