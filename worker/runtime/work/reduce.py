"""Reduces: compute the results and built networks from the partial sums of all shards, or again."""

from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from narrows.vocabulary import PARTIAL_SUMS, RANKINGS
from service.database.base import Base, utc_now
from service.database.tables import ANALYSES, Analysis, Artifact, Layer, Plan, Shard, Structure
from service.database.trials import Trial
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import StoredFile, TaskInputs
from worker.runtime.work.job import JobWork, end, load, not_cancelled
from worker.runtime.work.plan_trial import PLAN_TRIAL

RESULTS: Final[dict[str, type[Base]]] = {"layers": Layer, "structures": Structure, "plans": Plan}


class LastWork(JobWork):
    """The last work on an analysis, which moves it from `reducing` to `succeeded`."""

    job = ANALYSES
    table = Analysis
    waiting = held = "reducing"
    builds_files = True

    def files(self, result: Any) -> list[str]:
        built = [plan["artifact"] for plan in result["plans"] if plan.get("artifact")]
        return [*built, *result.get("kept", ())]

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


class ReduceWork(LastWork):
    """Reduces what the shards of an analysis have measured."""

    task = "reduce"
    wanted = not_cancelled(ANALYSES) & Analysis.source_id.is_(None)

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        # Ordered by index: sums of floats must not depend on which shard was done first.
        results = select(Shard.result).where(Shard.analysis_id == ids[0]).order_by(Shard.index)
        return super().load(connection, ids).followed_by(list(connection.scalars(results)))


class FollowUpWork(LastWork):
    """Reduces the partial sums that an earlier analysis has kept."""

    task = "follow_up"
    wanted = not_cancelled(ANALYSES) & Analysis.source_id.is_not(None)

    def begin(self, connection: Connection, ids: Ids) -> None:
        started = func.coalesce(Analysis.started_at, utc_now())
        connection.execute(update(Analysis).where(self.row(ids)).values(started_at=started))

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        """Return the model, the request, the partial sums and, if they hold, the rankings."""
        inputs = load(connection, self.job, ids[0], reads_data=False)
        query = select(Artifact.name, Artifact.sha256).where(Artifact.analysis_id == ids[0])
        kept = {name: StoredFile(sha256) for name, sha256 in connection.execute(query)}
        return inputs.followed_by(kept[PARTIAL_SUMS], kept.get(RANKINGS))


REDUCE: Final = ReduceWork()
FOLLOW_UP: Final = FollowUpWork()
