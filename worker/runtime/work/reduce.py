"""Reduces: compute the results and built networks from the partial sums of all shards."""

from typing import Any, Final

from sqlalchemy import Connection, insert, select

from service.database.base import Base
from service.database.tables import ANALYSES, Analysis, Layer, Plan, Shard, Structure
from service.database.trials import Trial
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import TaskInputs
from worker.runtime.work.job import JobWork, end, not_cancelled
from worker.runtime.work.plan_trial import PLAN_TRIAL

RESULTS: Final[dict[str, type[Base]]] = {"layers": Layer, "structures": Structure, "plans": Plan}


class ReduceWork(JobWork):
    """Moves an analysis from `reducing` to `succeeded`."""

    task = "reduce"
    job = ANALYSES
    table = Analysis
    waiting = held = "reducing"
    wanted = not_cancelled(ANALYSES)
    builds_files = True

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        # Ordered by index: sums of floats must not depend on which shard was done first.
        results = select(Shard.result).where(Shard.analysis_id == ids[0]).order_by(Shard.index)
        return super().load(connection, ids).followed_by(list(connection.scalars(results)))

    def files(self, result: Any) -> list[str]:
        return [plan["artifact"] for plan in result["plans"] if plan.get("artifact")]

    def commit(
        self, connection: Connection, claim: Claim, result: Any, artifacts: Artifacts | None
    ) -> WakeUps:
        (analysis_id,) = claim.ids
        leases.end(connection, claim)
        for name, table in RESULTS.items():
            rows = [
                {"analysis_id": analysis_id, "index": i, **row}
                for i, row in enumerate(result[name])
            ]
            if rows:
                connection.execute(insert(table), rows)
        columns = {name: result[name] for name in ("summary", "provenance")}
        end(connection, self.job, analysis_id, "succeeded", **columns)
        if artifacts:
            artifacts.add(connection, self.job, analysis_id)
        return leases.wake_ups(connection, PLAN_TRIAL, Trial.analysis_id == analysis_id)


REDUCE: Final = ReduceWork()
