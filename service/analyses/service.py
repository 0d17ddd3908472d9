"""Creating and describing analyses, and reading their results."""

from typing import TypeVar

from sqlalchemy.orm import Session

from service.analyses.combinations import check_layers, check_request
from service.analyses.request import AnalysisRequest
from service.analyses.schemas import AnalysisOut
from service.database.base import utc_now
from service.database.tables import ANALYSES, Analysis, Artifact, Layer, Plan, Structure
from service.datasets.service import DATASETS
from service.http.dependencies import keep_of
from service.http.pagination import Slice
from service.http.problems import RejectedError
from service.http.security import Caller
from service.jobs import service as jobs
from service.jobs.creating import create as create_job
from service.models.service import MODELS
from service.naming.schemas import NAMING
from service.uploads.expiry import require_kept
from service.uploads.service import find_to_refer

R = TypeVar("R", Layer, Structure, Plan, Artifact)


def create(
    session: Session, caller: Caller, request: AnalysisRequest, idempotency_key: str | None
) -> Analysis:
    """Return a new, queued analysis, or the one that a request with this key created before.

    Raises NotFoundError if the owner has no such model or dataset, RejectedError if one of them was
    rejected, InvalidError if parts of the request don't fit each other or the model, and
    KeyReusedError if the idempotency key came with another request.
    """

    def checked() -> dict[str, str]:
        _check(session, caller.owner, request)
        return {"model_id": request.model_id, "dataset_id": request.dataset_id}

    document = request.model_dump(mode="json", exclude=NAMING)
    return create_job(
        session, ANALYSES, caller, document, request, idempotency_key, task="plan", checked=checked
    )


def _check(session: Session, owner: str, request: AnalysisRequest) -> None:
    model = find_to_refer(session, owner, MODELS, request.model_id)
    dataset = find_to_refer(session, owner, DATASETS, request.dataset_id)
    for noun, upload in (("model", model), ("dataset", dataset)):
        require_kept(upload, noun)
        if upload.state == "rejected":
            why = (upload.error or {}).get("detail", "see its `error`")
            raise RejectedError(f"The {noun} {upload.id} was rejected: {why}", error=upload.error)
    check_request(request)
    if model.state == "ready" and model.inspection:
        check_layers(request, model.inspection)


def describe(session: Session, row: Analysis) -> AnalysisOut:
    """Return the analysis with its progress; the shards done so far give the seconds left."""
    done = row.shards - row.remaining
    seconds_left = None
    if row.state == "running" and row.started_at and done:
        passed = (utc_now() - row.started_at).total_seconds()
        seconds_left = round(max(0.0, passed) / done * row.remaining, 1)
    until = keep_of(session, row.owner).result_until(row.finished_at)
    return AnalysisOut.of(row, seconds_left, until)


def results(
    session: Session, owner: str, identity: str, table: type[R], page_size: int, token: str | None
) -> Slice[R]:
    """Return a page of results; raise NoResultError unless the analysis succeeded."""
    jobs.require_success(jobs.find(session, ANALYSES, owner, identity), ANALYSES)
    return jobs.results(session, ANALYSES, identity, table, page_size, token)
