"""Shards: partial sums over some of the samples."""

from typing import Any, Final

from sqlalchemy import Connection, select

from service.database.tables import ANALYSES, Shard
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import TaskInputs
from worker.runtime.work.job import JobWork, lock
from worker.runtime.work.parts import part_ended, runs
from worker.runtime.work.reduce import REDUCE
from worker.runtime.work.rows import one_row


class ShardWork(JobWork):
    """Moves a shard from `queued` through `leased` to `done`; the last one starts the reduce."""

    task = "shard"
    job = ANALYSES
    table = Shard
    waiting, held = "queued", "leased"
    wanted = runs(ANALYSES)

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        inputs = super().load(connection, ids)
        limits = one_row(connection, select(Shard.start, Shard.stop).where(self.row(ids)))
        return inputs.followed_by(*limits)

    def commit(
        self, connection: Connection, claim: Claim, result: Any, _artifacts: Artifacts | None
    ) -> WakeUps:
        """Write the partial sums, `result`, an `.npz` as bytes."""
        lock(connection, self.job, claim.ids[0])
        leases.end(connection, claim, state="done", result=result)
        return part_ended(connection, self.job, claim.ids[0], REDUCE)


SHARD: Final = ShardWork()
