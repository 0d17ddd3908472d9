"""All SQL about trials that is not of all jobs."""

from collections.abc import Mapping, Sequence

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, defer

from narrows.vocabulary import ACTIVE
from service.database.tables import Analysis
from service.database.trials import Trial, TrialRun


class StepRepository:
    """How far trials are."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def done(self, trials: Sequence[str]) -> Mapping[str, int]:
        """Return how many steps of each trial are done; a run that failed has none left."""
        unfinished = TrialRun.state.in_(("queued", "leased", "cancelled"))
        steps = func.sum(case((unfinished, TrialRun.step), else_=Trial.steps))
        query = select(Trial.id, steps).join(TrialRun, TrialRun.trial_id == Trial.id)
        rows = self._session.execute(query.where(Trial.id.in_(trials)).group_by(Trial.id))
        return {identity: int(done) for identity, done in rows}

    def runs(self, trial: str) -> Sequence[TrialRun]:
        """Return the runs of a trial by their index, without reading their curves."""
        query = select(TrialRun).where(TrialRun.trial_id == trial).options(defer(TrialRun.curve))
        return self._session.scalars(query.order_by(TrialRun.index)).all()

    def waiting(self, trials: Sequence[Trial]) -> set[str]:
        """Return the ids of those whose analysis has not ended."""
        analyses = [trial.analysis_id for trial in trials if trial.state == "queued"]
        query = select(Trial.id).join(Analysis, Analysis.id == Trial.analysis_id)
        of_these = Analysis.id.in_(analyses), Analysis.state.in_(ACTIVE)
        return set(self._session.scalars(query.where(*of_these)))
