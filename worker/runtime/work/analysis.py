"""The common part of all work on an analysis: its inputs, its events, its end."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, insert, select, update

from narrows.options import AnalysisOptions
from narrows.vocabulary import AnalysisState
from service.database.base import utc_now
from service.database.tables import Analysis, Dataset, Event, Model, Shard
from worker.errors import RefusedError
from worker.runtime import leases
from worker.runtime.leases import Claim, ProblemJson, Work
from worker.runtime.messages import Ids, Message
from worker.runtime.metrics import count_analysis
from worker.runtime.task_inputs import TaskInputs
from worker.runtime.work.rows import one_row

NOT_CANCELLED = Analysis.cancel_requested.is_(False)


class AnalysisWork(Work):
    """Work whose key begins with the id of its analysis."""

    def analysis_id(self, ids: Ids) -> str | None:
        return str(ids[0])

    def is_cancelled(self, connection: Connection, ids: Ids) -> bool:
        wanted = NOT_CANCELLED & Analysis.state.not_in(("failed", "cancelled"))
        return connection.scalar(select(Analysis.id).where(Analysis.id == ids[0], wanted)) is None

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        return load(connection, ids[0])

    def fail(self, connection: Connection, claim: Claim, problem: ProblemJson) -> list[Message]:
        lock(connection, claim.ids[0])
        leases.end(connection, claim, state="failed", error=problem)
        end(connection, claim.ids[0], "failed", error=problem)
        return []


def load(connection: Connection, analysis_id: str | int) -> TaskInputs:
    """Return what every step of an analysis needs: both files, the transform and the request."""
    row = one_row(
        connection,
        select(
            Analysis.request,
            Analysis.started_at,
            Analysis.request_id,
            Model.sha256.label("model"),
            Model.state.label("model_state"),
            Dataset.sha256.label("dataset"),
            Dataset.state.label("dataset_state"),
            Dataset.transform,
        )
        .outerjoin(Model, Model.id == Analysis.model_id)
        .outerjoin(Dataset, Dataset.id == Analysis.dataset_id)
        .where(Analysis.id == analysis_id),
    )
    _require_ready("model", row.model_state)
    _require_ready("dataset", row.dataset_state)
    options = AnalysisOptions.from_json(row.request)
    seconds = options.time_limit_seconds
    return TaskInputs(
        (row.model, row.dataset),
        (row.transform, row.request),
        deadline=row.started_at + timedelta(seconds=seconds) if seconds else None,
        memory_bytes=options.memory_bytes,
        request_id=row.request_id,
    )


def _require_ready(kind: str, state: str | None) -> None:
    if state is None:
        raise RefusedError(
            f"{kind}-missing",
            f"The {kind} does not exist any more",
            f"The {kind} has been deleted. Upload it again and start a new analysis.",
        )
    if state != "ready":
        raise RefusedError(
            f"{kind}-rejected",
            f"The {kind} was rejected",
            f"The {kind} did not pass its inspection; its own `error` says why.",
        )


def lock(connection: Connection, analysis_id: str | int) -> None:
    """Lock the analysis before its shards; every transaction does so, to prevent deadlocks."""
    connection.execute(select(Analysis.id).where(Analysis.id == analysis_id).with_for_update())


def end(
    connection: Connection, analysis_id: str | int, state: AnalysisState, **values: Any
) -> None:
    """Write the end state of a locked analysis, and end its shards."""
    connection.execute(
        update(Analysis)
        .where(Analysis.id == analysis_id)
        .values(state=state, finished_at=utc_now(), **leases.FREE, **values)
    )
    unfinished = Shard.state.in_(("queued", "leased"))
    connection.execute(
        update(Shard)
        .where(Shard.analysis_id == analysis_id)
        .values(
            state=case((unfinished, "cancelled"), else_=Shard.state), result=None, **leases.FREE
        )
    )
    add_event(connection, analysis_id, state, values.get("error"))
    count_analysis(_history(connection, analysis_id))


def add_event(
    connection: Connection, analysis_id: str | int, state: str, error: ProblemJson | None = None
) -> None:
    """Insert an event, which the API streams."""
    data = {"state": state, "error": error} if error else {"state": state}
    connection.execute(insert(Event).values(analysis_id=analysis_id, kind="state", data=data))


def _history(connection: Connection, analysis_id: str | int) -> list[tuple[str, datetime]]:
    """Return the states of an analysis in order, each with its start time."""
    events = select(Event.data, Event.at).where(
        Event.analysis_id == analysis_id, Event.kind.in_(("created", "state"))
    )
    rows = connection.execute(events.order_by(Event.id))
    return [(data["state"], at) for data, at in rows]
