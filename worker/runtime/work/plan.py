"""Plans: check that model, dataset and request fit, and create the shards."""

from typing import Any, Final

from sqlalchemy import Connection, and_, exists, func, insert, select, update
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.elements import ColumnElement

from service.database.base import utc_now
from service.database.tables import ANALYSES, Analysis, Dataset, Model, Shard
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim
from worker.runtime.messages import Ids, Message
from worker.runtime.work.job import JobWork, add_event, not_cancelled
from worker.runtime.work.shard import SHARD


def _inspected(upload: type[Model | Dataset], used: Mapped[str]) -> ColumnElement[bool]:
    return ~exists(select(upload.id).where(upload.id == used, upload.state == "inspecting"))


class PlanWork(JobWork):
    """Moves an analysis from `queued` through `planning` to `running`."""

    task = "plan"
    job = ANALYSES
    table = Analysis
    waiting, held = "queued", "planning"
    wanted = not_cancelled(ANALYSES)
    ready = and_(_inspected(Model, Analysis.model_id), _inspected(Dataset, Analysis.dataset_id))

    def begin(self, connection: Connection, ids: Ids) -> None:
        started = func.coalesce(Analysis.started_at, utc_now())
        connection.execute(update(Analysis).where(self.row(ids)).values(started_at=started))
        add_event(connection, self.job, ids[0], self.held)

    def put_back(self, connection: Connection, ids: Ids) -> None:
        add_event(connection, self.job, ids[0], self.waiting)

    def commit(
        self, connection: Connection, claim: Claim, result: Any, _artifacts: Artifacts | None
    ) -> list[Message]:
        """Insert the shards, a range [start, stop) of samples each, and write the first look."""
        (analysis_id,) = claim.ids
        # The attempts and sends of the plan must not count for the reduce.
        fresh = {"attempt": 0, "sends": 0, "sent_at": None}
        shards = result["shards"]
        counts = {"shards": len(shards), "remaining": len(shards)}
        looked = {"first_look": result["first_look"]}
        leases.end(connection, claim, state="running", **counts, **looked, **fresh)
        add_event(connection, self.job, analysis_id, "running")
        rows = [
            {
                "analysis_id": analysis_id,
                "index": i,
                "start": start,
                "stop": stop,
                "state": "queued",
            }
            for i, (start, stop) in enumerate(shards)
        ]
        if rows:  # else only the reduce is left, which the reconciler starts
            connection.execute(insert(Shard), rows)
        return leases.mark_sent(connection, SHARD, Shard.analysis_id == analysis_id)


PLAN: Final = PlanWork()
