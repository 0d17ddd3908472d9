"""Plans of trials: what is trained, with which seeds."""

from typing import Any, Final

from sqlalchemy import Connection, exists, select

from narrows.vocabulary import ACTIVE
from service.database.tables import Analysis, Plan, Structure
from service.database.trials import TRIALS, Trial, TrialRun
from worker.errors import RefusedError
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import TaskInputs
from worker.runtime.work.job import not_cancelled
from worker.runtime.work.parts import FirstWork
from worker.runtime.work.rows import one_row
from worker.runtime.work.train import TRAIN

_OF_TRIAL = Analysis.id == Trial.analysis_id


class PlanTrialWork(FirstWork):
    """Moves a trial from `queued` through `planning` to `running`, once its analysis has ended."""

    task = "plan_trial"
    job = TRIALS
    table = Trial
    wanted = not_cancelled(TRIALS)
    ready = ~exists(select(Analysis.id).where(_OF_TRIAL, Analysis.state.in_(ACTIVE)))

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        """Return also the analysis' request, the rank of each structure, and the plans' copies."""
        query = select(Analysis.id, Analysis.state, Analysis.error, Analysis.request)
        analysis = one_row(connection, query.where(Trial.id == ids[0], _OF_TRIAL))
        if analysis.state != "succeeded":
            why = (analysis.error or {}).get("detail", "it was cancelled.")
            raise RefusedError(
                "analysis-without-plans",
                "The analysis has no plans",
                f"The analysis {analysis.id} {analysis.state}: {why}",
            )
        ranks = select(Structure.rank).where(Structure.analysis_id == analysis.id)
        plans = select(Plan.name, Plan.copies).where(Plan.analysis_id == analysis.id)
        copies = dict(map(tuple, connection.execute(plans.order_by(Plan.index))))
        return (
            super()
            .load(connection, ids)
            .followed_by(
                analysis.request,
                list(connection.scalars(ranks.order_by(Structure.index))),
                copies,
            )
        )

    def commit(
        self, connection: Connection, claim: Claim, result: Any, _artifacts: Artifacts | None
    ) -> WakeUps:
        """Insert a run for each variant with each seed."""
        (trial_id,) = claim.ids
        runs = result["runs"]
        known = {name: result[name] for name in ("steps", "planned")}
        self.divide(connection, claim, runs, runs=len(runs), **known)
        return leases.wake_ups(connection, TRAIN, TrialRun.trial_id == trial_id)


PLAN_TRIAL: Final = PlanTrialWork()
