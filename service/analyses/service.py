"""Asking for an analysis, watching it and calling it off."""

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
    """Return a queued analysis, or the one that this idempotency key made before.

    Raises NotFoundError for a model or dataset that is not the owner's, RejectedError when one is
    no good, InvalidError when parts of the request fit neither each other nor the model,
    KeyReusedError when the key came with another request.
    """
    analyses = AnalysisRepository(session)
    asked = request.model_dump(mode="json")
    made = analyses.by_idempotency_key(owner, idempotency_key)
    if made is None:
        _check(session, owner, request)
        new = analyses.add(
            id=new_id("ana"),
            owner=owner,
            model_id=request.model_id,
            dataset_id=request.dataset_id,
            request=asked,
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
        # The same key came twice at once, and the other request was first.
        made = analyses.by_idempotency_key(owner, idempotency_key)
    if made is None or made.request != asked:
        raise KeyReusedError("This Idempotency-Key came with another request before.")
    return made


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
    """Return the analysis with its progress; seconds left are as the shards so far went."""
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
    found = first_page(rows, page_size, age_key)
    return Slice([describe(row) for row in found.items], found.next_page_token)


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
    """Return what is known of a file; raise NotFoundError, or NoResultError as `results` does."""
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
    """Ask for the end of an analysis; one that has ended is left and returned as it is.

    Whether work ended by itself just before is chance, so that is no error. A queued analysis ends
    here; of one under way the worker notices at its next heartbeat.
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
    """Delete an ended analysis with its results, and the files that nothing else refers to.

    Raises NotFoundError, and InUseError while it is under way.
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
    """Return the next events after that id, and whether these are the last.

    The state is read before the events: an event is committed together with its state, so once
    the end is seen, all events are.
    """
    analyses = AnalysisRepository(session)
    row = analyses.get(owner, identity)
    ended = row is None or row.state in ENDED
    events = analyses.events(identity, after, limit=EVENTS_AT_ONCE)
    return events, ended and len(events) < EVENTS_AT_ONCE
