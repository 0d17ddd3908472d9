"""Creating and describing trials."""

import hashlib
from collections.abc import Mapping

from sqlalchemy.orm import Session

from narrows.vocabulary import ENDED
from service.analyses import service as analyses
from service.analyses.request import AnalysisRequest
from service.database.base import utc_now
from service.database.tables import ANALYSES, Analysis
from service.database.trials import TRIALS, Trial
from service.datasets.service import DATASETS
from service.http.dependencies import keep_of
from service.http.pagination import Slice
from service.http.problems import NoResultError
from service.http.security import Caller
from service.jobs import service as jobs
from service.jobs.creating import create as create_job
from service.jobs.repository import JobRepository
from service.models.service import MODELS
from service.naming.schemas import NAMING, Naming
from service.trials.repository import StepRepository
from service.trials.request import TrialRequest
from service.trials.schemas import TrialOut, TrialProgress
from service.trials.terms import Terms, own_terms, terms_of
from service.uploads.expiry import require_kept
from service.uploads.service import find_to_refer


def create(
    session: Session, caller: Caller, request: TrialRequest, idempotency_key: str | None
) -> Trial:
    """Return a new, queued trial, or the one that a request with this key created before.

    Raises NotFoundError for ids that the owner does not have, RejectedError if an upload was
    rejected, NoResultError for an analysis that has failed, InvalidError if parts of the request
    don't fit each other or the model, and KeyReusedError if the key came with another request.
    """
    given = None
    if request.analysis_id is not None:
        given = jobs.find_to_refer(session, ANALYSES, caller.owner, request.analysis_id)
    terms = terms_of(request, given) if given else own_terms(request)

    def checked() -> Mapping[str, str]:
        if given:
            _require_uploads(session, caller.owner, given)
        used = given or _new_analysis(session, caller, terms, request, idempotency_key)
        if used.state in ENDED and used.state != "succeeded":
            raise NoResultError(
                f"The analysis {used.id} is {used.state}; only one that succeeds has plans.",
                state=used.state,
            )
        uploads = {"model_id": used.model_id, "dataset_id": used.dataset_id}
        return {**uploads, "analysis_id": used.id}

    return create_job(
        session, TRIALS, caller, terms, request, idempotency_key, task="plan_trial", checked=checked
    )


def _require_uploads(session: Session, owner: str, analysis: Analysis) -> None:
    """Raise ExpiredError if a file that an analysis was computed of is gone."""
    require_kept(find_to_refer(session, owner, MODELS, analysis.model_id), MODELS.noun)
    require_kept(find_to_refer(session, owner, DATASETS, analysis.dataset_id), DATASETS.noun)


def _new_analysis(
    session: Session, caller: Caller, terms: Terms, naming: Naming, key: str | None
) -> Analysis:
    """Return the analysis whose plans are tried, called as the trial.

    A repeated request finds the same one.
    """
    names = ("model_id", "dataset_id", "transform", "loss", "plans", "advise", "memory_bytes")
    asked = {name: terms[name] for name in names} | naming.model_dump(include=NAMING)
    own_key = key and f"trial-{hashlib.sha256(key.encode()).hexdigest()}"
    return analyses.create(session, caller, AnalysisRequest.model_validate(asked), own_key)


def cancel(session: Session, caller: Caller, identity: str) -> Trial:
    """Cancel a trial, and the analysis that it has made for itself alone; return the trial."""
    row = jobs.find(session, TRIALS, caller.owner, identity)
    if row.state not in ENDED and row.request["analysis_id"] is None:
        # The analysis is locked first, as by the worker that ends it and wakes its trials.
        analysis = jobs.find(session, ANALYSES, caller.owner, row.analysis_id, to_change=True)
        if JobRepository(session, ANALYSES).trials_of(analysis.id) == [identity]:
            jobs.cancel(session, ANALYSES, caller, analysis.id)
    return jobs.cancel(session, TRIALS, caller, identity)


def describe(session: Session, row: Trial) -> TrialOut:
    """Return the trial with its progress."""
    return describe_all(session, Slice([row], None)).items[0]


def describe_all(session: Session, rows: Slice[Trial]) -> Slice[TrialOut]:
    """Return trials with their progress; the steps so far give the seconds left."""
    steps = StepRepository(session)
    done = steps.done([row.id for row in rows.items])
    waiting = steps.waiting(rows.items)
    described = [
        TrialOut.of(
            row,
            _progress(row, done.get(row.id, 0), waits=row.id in waiting),
            keep_of(session, row.owner).result_until(row.finished_at),
        )
        for row in rows.items
    ]
    return Slice(described, rows.next_page_token)


def _progress(row: Trial, done: int, *, waits: bool) -> TrialProgress:
    total = row.runs * (row.steps or 0)
    seconds_left = None
    if row.state == "running" and row.started_at and done:
        passed = (utc_now() - row.started_at).total_seconds()
        seconds_left = round(max(0.0, passed) / done * (total - done), 1)
    return TrialProgress.of(row, done, total, seconds_left, waits=waits)
