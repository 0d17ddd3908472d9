"""What claimed work is done with: files, and what the rows say about them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Executable, Row, select

from service.database.tables import Analysis, Dataset, Model, Shard, utc_now
from worker.errors import Refused
from worker.isolation.errors import ChildTimeLimitError
from worker.runtime.leases import (
    INSPECT_DATASET,
    INSPECT_MODEL,
    REDUCE,
    SHARD,
    Claim,
    LeaseLostError,
)


@dataclass(frozen=True)
class Inputs:
    """A function of the pipeline is called with the paths of `files`, then `arguments`."""

    files: tuple[str, ...]
    arguments: tuple[Any, ...]
    deadline: datetime | None = None
    memory_bytes: int | None = None
    request_id: str | None = None
    """Of the HTTP request that asked for the work."""

    def require_time_left(self) -> None:
        """Raise ChildTimeLimitError once the analysis has used the time that it was given."""
        if self.deadline is not None and utc_now() > self.deadline:
            raise ChildTimeLimitError("The analysis took longer than its `time_limit_seconds`.")


def load_inputs(connection: Connection, claim: Claim) -> Inputs:
    """Return what the claimed work needs.

    Raises Refused where an upload can't serve it, and LeaseLostError where it has been deleted.
    """
    if claim.work is INSPECT_MODEL:
        model = select(Model.sha256, Model.request_id).where(claim.work.row(claim.ids))
        row = _row(connection, model)
        return Inputs((row.sha256,), (), request_id=row.request_id)
    if claim.work is INSPECT_DATASET:
        columns = Dataset.sha256, Dataset.transform, Dataset.request_id
        row = _row(connection, select(*columns).where(claim.work.row(claim.ids)))
        return Inputs((row.sha256,), (row.transform,), request_id=row.request_id)
    common = _of_analysis(connection, claim.ids[0])
    return replace(common, arguments=(*common.arguments, *_of_task(connection, claim)))


def _of_analysis(connection: Connection, analysis_id: str | int) -> Inputs:
    row = _row(
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
    seconds = row.request.get("time_limit_seconds")
    return Inputs(
        (row.model, row.dataset),
        (row.transform, row.request),
        deadline=row.started_at + timedelta(seconds=seconds) if seconds else None,
        memory_bytes=row.request.get("memory_bytes"),
        request_id=row.request_id,
    )


def _row(connection: Connection, query: Executable) -> Row[Any]:
    """Return the row of the work in hand, if nobody has deleted it meanwhile."""
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LeaseLostError
    return row


def _require_ready(kind: str, state: str | None) -> None:
    if state is None:
        raise Refused(f"{kind}-missing", f"The {kind} is gone", f"The {kind} has been deleted.")
    if state != "ready":
        raise Refused(
            f"{kind}-rejected",
            f"The {kind} was rejected",
            f"Inspection found that the {kind} can't be analysed; its own `error` says why.",
        )


def _of_task(connection: Connection, claim: Claim) -> tuple[Any, ...]:
    if claim.work is SHARD:
        limits = select(Shard.start, Shard.stop).where(claim.work.row(claim.ids))
        return tuple(_row(connection, limits))
    if claim.work is REDUCE:
        # In the order of their indices: sums of floats must not depend on who finished first.
        results = select(Shard.result).where(Shard.analysis_id == claim.ids[0])
        return (list(connection.scalars(results.order_by(Shard.index))),)
    return ()
