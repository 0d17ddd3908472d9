"""How a job is divided into parts, and what follows when they have ended."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, exists, func, insert, select, update

from service.database.base import utc_now
from service.database.jobs import JobKind
from worker.runtime import leases
from worker.runtime.leases import Claim, Work
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.work.job import JobWork, add_event, not_cancelled


class FirstWork(JobWork):
    """The first work on a job, `queued → planning → running`: it says what the parts are."""

    waiting, held = "queued", "planning"

    def begin(self, connection: Connection, ids: Ids) -> None:
        started = func.coalesce(self.job.table.started_at, utc_now())
        connection.execute(update(self.job.table).where(self.row(ids)).values(started_at=started))
        add_event(connection, self.job, ids[0], self.held)

    def put_back(self, connection: Connection, ids: Ids) -> None:
        add_event(connection, self.job, ids[0], self.waiting)

    def divide(
        self,
        connection: Connection,
        claim: Claim,
        parts: Sequence[Mapping[str, Any]],
        **values: Any,
    ) -> None:
        """Insert the parts, by their columns, and set the job to `running`."""
        identity = claim.ids[0]
        # The attempts of this work must not count for the reduce.
        leases.end(connection, claim, state="running", remaining=len(parts), attempt=0, **values)
        add_event(connection, self.job, identity, "running")
        rows = [
            {self.job.key: identity, "index": index, "state": "queued", **part}
            for index, part in enumerate(parts)
        ]
        if rows:  # else only the reduce is left, which the reconciler starts
            connection.execute(insert(self.job.part), rows)


def part_ended(
    connection: Connection, kind: JobKind[Any], identity: str | int, last: Work
) -> WakeUps:
    """Count a part of a locked job as ended; after the last one, begin the work `last`."""
    table = kind.table
    state = case((table.remaining == 1, last.waiting), else_=table.state)
    counted = update(table).where(table.id == identity)
    connection.execute(counted.values(remaining=table.remaining - 1, state=state))
    wake_ups = leases.wake_ups(connection, last, table.id == identity)
    if wake_ups:
        add_event(connection, kind, identity, last.waiting)
    return wake_ups


def runs(kind: JobKind[Any]) -> ColumnElement[bool]:
    """Return the condition on a part that its job computes parts, and is not to be cancelled."""
    table = kind.table
    of_job = kind.refers(kind.part, table.id)
    return exists(select(table.id).where(of_job, table.state == "running", not_cancelled(kind)))
