"""Reduces of trials: what every variant gained, from the results of all runs."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, select

from service.database.trials import TRIALS, Trial, TrialRun
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import TaskInputs
from worker.runtime.work.job import JobWork, end, not_cancelled
from worker.runtime.work.rows import one_row

RESULTS: Final = (
    "variant", "seed", "parameters", "macs", "step", "loss", "accuracy", "curve", "error",
    "device",
)  # fmt: skip


class ReduceTrialWork(JobWork):
    """Moves a trial from `reducing` to `succeeded`, or to `failed` where all its runs failed."""

    task = "reduce_trial"
    job = TRIALS
    table = Trial
    waiting = held = "reducing"
    wanted = not_cancelled(TRIALS)

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        """Return also what was planned, and the rows of all runs, by their index.

        There is no deadline: what runs have found in time is reported.
        """
        planned = one_row(connection, select(Trial.planned).where(Trial.id == ids[0])).planned
        columns = [getattr(TrialRun, name) for name in RESULTS]
        query = select(*columns).where(TrialRun.trial_id == ids[0]).order_by(TrialRun.index)
        runs = [dict(row) for row in connection.execute(query).mappings()]
        inputs = super().load(connection, ids).followed_by(planned, runs)
        return replace(inputs, deadline=None)

    def commit(
        self, connection: Connection, claim: Claim, result: Any, _artifacts: Artifacts | None
    ) -> WakeUps:
        leases.end(connection, claim)
        columns = {name: result[name] for name in ("summary", "provenance")}
        end(connection, self.job, claim.ids[0], "succeeded", **columns)
        return []


REDUCE_TRIAL: Final = ReduceTrialWork()
