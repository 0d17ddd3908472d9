"""The common part of all work on a job, an analysis or a trial: its inputs, its events, its end."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, insert, select, update

from narrows.vocabulary import AnalysisState
from service.database.base import utc_now
from service.database.jobs import JobKind
from service.database.tables import Dataset, Model
from service.database.webhooks import announce
from worker.errors import RefusedError
from worker.runtime import leases
from worker.runtime.leases import Claim, ProblemJson, Work
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.metrics import count_job
from worker.runtime.task_inputs import StoredFile, TaskInputs
from worker.runtime.work.rows import one_row

UNFINISHED: Final = ("queued", "leased")
"""The states of parts that have not ended."""


class JobWork(Work):
    """Work whose key begins with the id of its job."""

    job: JobKind[Any]

    def is_cancelled(self, connection: Connection, ids: Ids) -> bool:
        table = self.job.table
        wanted = not_cancelled(self.job) & table.state.not_in(("failed", "cancelled"))
        return connection.scalar(select(table.id).where(table.id == ids[0], wanted)) is None

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        return load(connection, self.job, ids[0])

    def fail(self, connection: Connection, claim: Claim, problem: ProblemJson) -> WakeUps:
        lock(connection, self.job, claim.ids[0])
        leases.end(connection, claim, state="failed", error=problem)
        end(connection, self.job, claim.ids[0], "failed", error=problem)
        return []


def not_cancelled(kind: JobKind[Any]) -> ColumnElement[bool]:
    """Return the condition that nobody has asked to cancel the job."""
    asked: ColumnElement[bool] = kind.table.cancel_requested
    return ~asked


def load(
    connection: Connection, kind: JobKind[Any], identity: str | int, *, reads_data: bool = True
) -> TaskInputs:
    """Return what every step of a job needs: both files, the transform and the request.

    Without `reads_data`, only the model and the request: the dataset may be gone.
    """
    job = kind.table
    row = one_row(
        connection,
        select(
            job.request,
            job.owner,
            job.started_at,
            job.request_id,
            Model.sha256.label("model"),
            Model.state.label("model_state"),
            Dataset.sha256.label("dataset"),
            Dataset.state.label("dataset_state"),
            Dataset.transform,
        )
        .outerjoin(Model, Model.id == job.model_id)
        .outerjoin(Dataset, Dataset.id == job.dataset_id)
        .where(job.id == identity),
    )
    _require_ready("model", row.model_state)
    if reads_data:
        _require_ready("dataset", row.dataset_state)
    seconds = row.request.get("time_limit_seconds")
    declared = row.request.get("transform")
    transform = row.transform if declared is None else declared
    data = (StoredFile(row.dataset), transform) if reads_data else ()
    return TaskInputs(
        (StoredFile(row.model), *data, row.request),
        row.owner,
        deadline=row.started_at + timedelta(seconds=seconds) if seconds else None,
        memory_bytes=row.request.get("memory_bytes"),
        request_id=row.request_id,
    )


def _require_ready(kind: str, state: str | None) -> None:
    if state is None:
        raise RefusedError(
            f"{kind}-missing",
            f"The {kind} does not exist any more",
            f"The {kind} has been deleted. Upload it again and start anew.",
        )
    if state != "ready":
        raise RefusedError(
            f"{kind}-rejected",
            f"The {kind} was rejected",
            f"The {kind} did not pass its inspection; its own `error` says why.",
        )


def lock(connection: Connection, kind: JobKind[Any], identity: str | int) -> None:
    """Lock the job before its parts; every transaction does so, to prevent deadlocks."""
    table = kind.table
    connection.execute(select(table.id).where(table.id == identity).with_for_update())


def end(
    connection: Connection,
    kind: JobKind[Any],
    identity: str | int,
    state: AnalysisState,
    **values: Any,
) -> None:
    """Write the end state of a locked job, and end its parts."""
    table, part = kind.table, kind.part
    connection.execute(
        update(table)
        .where(table.id == identity)
        .values(state=state, finished_at=utc_now(), **leases.FREE, **values)
    )
    unfinished = part.state.in_(UNFINISHED)
    connection.execute(
        update(part)
        .where(kind.refers(part, identity))
        .values(
            state=case((unfinished, "cancelled"), else_=part.state), **kind.spent, **leases.FREE
        )
    )
    add_event(connection, kind, identity, state, values.get("error"))
    announce(connection, kind, identity)
    count_job(kind.noun, _history(connection, kind, identity))


def add_event(
    connection: Connection,
    kind: JobKind[Any],
    identity: str | int,
    state: str,
    error: ProblemJson | None = None,
) -> None:
    """Insert an event, which the API streams."""
    data = {"state": state, "error": error} if error else {"state": state}
    event = insert(kind.event).values({kind.key: identity, "kind": "state", "data": data})
    connection.execute(event)


def _history(
    connection: Connection, kind: JobKind[Any], identity: str | int
) -> list[tuple[str, datetime]]:
    """Return the states of a job in order, each with its start time."""
    event = kind.event
    events = select(event.data, event.at).where(
        kind.refers(event, identity), event.kind.in_(("created", "state"))
    )
    return [(data["state"], at) for data, at in connection.execute(events.order_by(event.id))]
