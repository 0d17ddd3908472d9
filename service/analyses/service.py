"""Creating, reading, cancelling and deleting analyses."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from narrows.vocabulary import ENDED
from service.analyses.combinations import check_layers, check_request
from service.analyses.repository import AnalysisRepository, R
from service.analyses.request import AnalysisRequest
from service.analyses.schemas import AnalysisOut
from service.database.base import new_id, utc_now
from service.database.clock import epoch_now
from service.database.files import FileRepository
from service.database.tables import Analysis, Artifact, Event
from service.datasets.service import DATASETS
from service.http.dependencies import enqueue
from service.http.pagination import ByIndex, Slice, age_key, decode_age, decode_token, first_page
from service.http.problems import (
    InUseError,
    KeyReusedError,
    NoResultError,
    NotFoundError,
    RejectedError,
)
from service.logs import request_id
from service.models.service import MODELS
from service.storage.objects import Storage
from service.uploads.service import find_to_refer

EVENTS_AT_ONCE: Final = 100


def create(
    session: Session, owner: str, request: AnalysisRequest, idempotency_key: str | None
) -> Analysis:
    """Return a new, queued analysis, or the one that a request with this key created before.

    Raises NotFoundError if the owner has no such model or dataset, RejectedError if one of them was
    rejected, InvalidError if parts of the request don't fit each other or the model, and
    KeyReusedError if the idempotency key came with another request.
    """
    analyses = AnalysisRepository(session)
    document = request.model_dump(mode="json")
    existing = analyses.by_idempotency_key(owner, idempotency_key)
    if existing is None:
        _check(session, owner, request)
        new = analyses.add(
            id=new_id("ana"),
            owner=owner,
            model_id=request.model_id,
            dataset_id=request.dataset_id,
            request=document,
            idempotency_key=idempotency_key,
            request_id=request_id(),
            state="queued",
            sent_at=epoch_now(),
            sends=1,
        )
        if new is not None:
            analyses.add_event(new.id, "created", state=new.state)
            enqueue(session, "plan", new.id)
            return new
        # Another request with the same key was faster.
        existing = analyses.by_idempotency_key(owner, idempotency_key)
    if existing is None or existing.request != document:
        raise KeyReusedError(
            "This Idempotency-Key came with another request before; choose a new one."
        )
    return existing


def _check(session: Session, owner: str, request: AnalysisRequest) -> None:
    model = find_to_refer(session, owner, MODELS, request.model_id)
    dataset = find_to_refer(session, owner, DATASETS, request.dataset_id)
    for noun, upload in (("model", model), ("dataset", dataset)):
        if upload.state == "rejected":
            why = (upload.error or {}).get("detail", "see its `error`")
            raise RejectedError(f"The {noun} {upload.id} was rejected: {why}", error=upload.error)
    check_request(request)
    if model.state == "ready" and model.inspection:
        check_layers(request, model.inspection)


def find(session: Session, owner: str, identity: str, *, to_change: bool = False) -> Analysis:
    """Return `owner`'s analysis; raise NotFoundError."""
    row = AnalysisRepository(session).get(owner, identity, to_change=to_change)
    if row is None:
        raise NotFoundError(f"There is no analysis {identity}.")
    return row


def describe(row: Analysis) -> AnalysisOut:
    """Return the analysis with its progress; the shards done so far give the seconds left."""
    done = row.shards - row.remaining
    seconds_left = None
    if row.state == "running" and row.started_at and done:
        passed = (utc_now() - row.started_at).total_seconds()
        seconds_left = round(max(0.0, passed) / done * row.remaining, 1)
    return AnalysisOut.of(row, seconds_left)


def page(
    session: Session, owner: str, state: str | None, page_size: int, token: str | None
) -> Slice[AnalysisOut]:
    """Return a page of `owner`'s analyses, newest first."""
    rows = AnalysisRepository(session).page(owner, state, decode_age(token), page_size + 1)
    first = first_page(rows, page_size, age_key)
    return Slice([describe(row) for row in first.items], first.next_page_token)


def results(
    session: Session, owner: str, identity: str, table: type[R], page_size: int, token: str | None
) -> Slice[R]:
    """Return a page of results; raise NoResultError unless the analysis succeeded."""
    _require_success(find(session, owner, identity))
    after = decode_token(token, ByIndex)
    rows = AnalysisRepository(session).results(
        table, identity, -1 if after is None else after, page_size + 1
    )
    return first_page(rows, page_size, lambda row: row.index)


def artifact(session: Session, owner: str, identity: str, name: str) -> Artifact:
    """Return the row of a built file; raise NotFoundError, or NoResultError as `results` does."""
    _require_success(find(session, owner, identity))
    built = {row.name: row for row in AnalysisRepository(session).artifacts(identity)}
    if name not in built:
        there_are = f"there are: {', '.join(built)}" if built else "nothing was built"
        raise NotFoundError(f"There is no artifact of this name; {there_are}.")
    return built[name]


def _require_success(analysis: Analysis) -> None:
    if analysis.state != "succeeded":
        raise NoResultError(
            f"The analysis is {analysis.state}; only one that succeeded has results.",
            state=analysis.state,
        )


def cancel(session: Session, owner: str, identity: str) -> Analysis:
    """Cancel an analysis; return it, unchanged if it has ended.

    An analysis may end just before the request, so that is no error. A queued analysis ends at
    once. The worker of a running one notices the request when it next looks at its lease.
    """
    row = find(session, owner, identity, to_change=True)
    if row.state in ENDED or row.cancel_requested:
        return row
    row.cancel_requested = True
    analyses = AnalysisRepository(session)
    analyses.add_event(identity, "cancel_requested")
    if row.state == "queued":
        row.state = "cancelled"
        row.finished_at = utc_now()
        analyses.add_event(identity, "state", state=row.state)
    return row


def remove(session: Session, storage: Storage, owner: str, identity: str) -> None:
    """Delete an ended analysis with its results, and its files that nothing else refers to.

    Raises NotFoundError, and InUseError if it has not ended.
    """
    row = find(session, owner, identity, to_change=True)
    if row.state not in ENDED:
        raise InUseError(f"The analysis is {row.state}; cancel it first.", state=row.state)
    analyses, files = AnalysisRepository(session), FileRepository(session)
    hashes = sorted({built.sha256 for built in analyses.artifacts(identity)})
    analyses.delete(identity)
    for sha256 in [sha256 for sha256 in hashes if files.delete_unused(sha256)]:
        storage.delete(sha256)


def events_since(
    session: Session, owner: str, identity: str, after: int
) -> tuple[Sequence[Event], bool]:
    """Return the next events after the id `after`, and whether they are the last.

    The state is read before the events. An event is committed together with its state, so if the
    state is an end state, no event is missing.
    """
    analyses = AnalysisRepository(session)
    row = analyses.get(owner, identity)
    ended = row is None or row.state in ENDED
    events = analyses.events(identity, after, limit=EVENTS_AT_ONCE)
    return events, ended and len(events) < EVENTS_AT_ONCE
