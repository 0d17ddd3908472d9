"""Inspections: whether an upload can be used, and what it contains."""

from typing import Any, Final

from sqlalchemy import Connection, or_, select

from narrows.vocabulary import TaskName
from service.database.tables import Analysis, Dataset, Model
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim, ProblemJson, Work
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import StoredFile, TaskInputs
from worker.runtime.work.plan import PLAN
from worker.runtime.work.rows import one_row


class InspectionWork(Work):
    """Moves an upload from `inspecting` to `ready` or `rejected`."""

    waiting = held = "inspecting"
    spares_a_worker = True

    def __init__(self, task: TaskName, table: type[Model | Dataset]) -> None:
        self.task, self.table = task, table

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        row = one_row(connection, select(self.table).where(self.row(ids)))
        declared = (row.transform,) if self.table is Dataset else ()
        arguments = (StoredFile(row.sha256), *declared)
        return TaskInputs(arguments, row.owner, inspected_bytes=row.size, request_id=row.request_id)

    def commit(
        self, connection: Connection, claim: Claim, result: Any, _artifacts: Artifacts | None
    ) -> WakeUps:
        return _end(connection, claim, state="ready", inspection=result)

    def fail(self, connection: Connection, claim: Claim, problem: ProblemJson) -> WakeUps:
        return _end(connection, claim, state="rejected", error=problem)


def _end(connection: Connection, claim: Claim, **values: Any) -> WakeUps:
    """End the inspection; return the wake-ups for analyses that have waited for it."""
    leases.end(connection, claim, **values)
    upload = claim.ids[0]
    uses_upload = or_(Analysis.model_id == upload, Analysis.dataset_id == upload)
    return leases.wake_ups(connection, PLAN, uses_upload)


INSPECT_MODEL: Final = InspectionWork("inspect_model", Model)
INSPECT_DATASET: Final = InspectionWork("inspect_dataset", Dataset)
