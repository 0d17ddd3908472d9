"""Beginning, reading, giving up and forgetting upload sessions."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from service.database.base import new_id, utc_now
from service.database.upload_sessions import UploadSession
from service.datasets.service import DATASETS
from service.http.audit import record
from service.http.dependencies import Services
from service.http.pagination import Slice, age_key, decode_age, first_page
from service.http.problems import (
    InvalidError,
    KeyReusedError,
    NotFoundError,
    TooLargeError,
    UploadEndedError,
)
from service.http.quotas import require_upload
from service.http.security import Caller
from service.models.service import MODELS
from service.retention.upload_sessions import forget, release
from service.settings import Settings
from service.upload_sessions.repository import UploadSessionRepository
from service.upload_sessions.schemas import (
    UploadSessionDetail,
    UploadSessionOut,
    UploadSessionRequest,
)
from service.uploads import service as uploads
from service.uploads.service import Kind, plain_name

KINDS: Final[dict[str, Kind[Any]]] = {kind.noun: kind for kind in (MODELS, DATASETS)}
PART_SIZE: Final = 16 << 20
"""Bytes of a part, unless that makes too many: little to send again, and few requests."""
MOST_PARTS: Final = 10_000


def begin(
    services: Services, caller: Caller, body: UploadSessionRequest, key: str | None
) -> UploadSessionDetail:
    """Begin a session, or return the one that a request with this idempotency key began.

    One of an upload that the caller has already is completed: nothing needs to be sent. Raises
    TooLargeError, TooManyRequestsError, InvalidError for too many parts, and KeyReusedError if the
    key came with another request.
    """
    if body.size > (limit := services.settings.max_upload_bytes):
        raise TooLargeError(f"A file may have at most {limit} bytes.", limit=limit)
    asked = {
        **body.model_dump(include={"kind", "size", "sha256"}),
        "name": body.name or plain_name(body.filename),
        "part_size": suitable_part_size(body.size, body.part_size),
        "declared": _declared(body),
    }
    if key is not None and (existing := _begun(services, caller.owner, key)):
        if any(getattr(existing, name) != value for name, value in asked.items()):
            raise KeyReusedError(KeyReusedError.example)
        with services.reading() as session:
            return detail(session, caller.owner, existing.id)
    row = UploadSession(
        id=new_id("upl"),
        owner=caller.owner,
        idempotency_key=key,
        expires_at=expiry(services.settings),
        **asked,
    )
    if there := uploads.renew(services, caller, KINDS[row.kind], row.sha256, row.columns):
        row.state, row.upload_id, row.upload_is_new = "completed", there.id, False
    else:
        services.storage.parts.begin(row.id, row.size)
    try:
        with services.transaction() as session:
            if not there:
                require_upload(session, caller, row.size)
            UploadSessionRepository(session).add(row)
            record(session, caller, "upload.create", row.id)
    except BaseException:
        services.storage.parts.discard(row.id)
        raise
    return UploadSessionDetail(**describe(row, 0).model_dump(), received=[])


def suitable_part_size(size: int, asked: int | None) -> int:
    """Return the bytes of a part; raise InvalidError if those asked for make too many parts."""
    least = -(-size // MOST_PARTS)
    if asked is not None and asked < least:
        raise InvalidError(
            ["part_size"],
            f"A file may have {MOST_PARTS} parts, so these have {least} bytes or more.",
        )
    return min(size, asked or max(PART_SIZE, least))


def _declared(body: UploadSessionRequest) -> dict[str, Any]:
    """Return the columns of the upload besides its name."""
    declared: dict[str, Any] = {"tags": body.tags, "metadata_": body.metadata}
    if body.filename is not None:
        declared["filename"] = plain_name(body.filename)
    if body.kind == "dataset":
        declared["transform"] = body.transform.model_dump() if body.transform else {}
    return declared


def _begun(services: Services, owner: str, key: str) -> UploadSession | None:
    with services.reading() as session:
        row = UploadSessionRepository(session).by_idempotency_key(owner, key)
    if row is not None and row.expires_at <= utc_now():
        forget(services.engine, services.storage, row.id)
        return None
    return row


def expiry(settings: Settings) -> datetime:
    """Return the time when a session expires that something arrived of now."""
    return utc_now() + timedelta(seconds=settings.upload_session_seconds)


def describe(row: UploadSession, received_bytes: int) -> UploadSessionOut:
    known = {**row.columns, "received_bytes": received_bytes}
    others = UploadSessionOut.model_fields.keys() - {*known, "metadata"}
    return UploadSessionOut(**known, **{name: getattr(row, name) for name in others})


def detail(session: Session, owner: str, identity: str) -> UploadSessionDetail:
    """Return `owner`'s session with the parts that have arrived; raise NotFoundError."""
    row = find(session, owner, identity)
    parts = UploadSessionRepository(session).parts(identity)
    described = describe(row, sum(part.size for part in parts))
    return UploadSessionDetail(**described.model_dump(), received=[part.number for part in parts])


def find(session: Session, owner: str, identity: str, *, to_change: bool = False) -> UploadSession:
    """Return `owner`'s session; raise NotFoundError."""
    row = UploadSessionRepository(session).get(owner, identity, to_change=to_change)
    if row is None:
        raise NotFoundError(f"There is no upload session {identity}; it may have expired.")
    return row


def require_open(row: UploadSession) -> None:
    """Raise UploadEndedError if the session is completed or cancelled."""
    if row.state != "open":
        raise UploadEndedError(f"The upload session is {row.state}; begin another one.")


def page(
    session: Session,
    owner: str,
    state: str | None,
    sha256: str | None,
    page_size: int,
    token: str | None,
) -> Slice[UploadSessionOut]:
    """Return a page of `owner`'s sessions, newest first."""
    sessions = UploadSessionRepository(session)
    rows = sessions.page(owner, state, sha256, decode_age(token), page_size + 1)
    some = first_page(rows, page_size, age_key)
    received = sessions.received_bytes([row.id for row in some.items])
    items = [describe(row, received.get(row.id, 0)) for row in some.items]
    return Slice(items, some.next_page_token)


def cancel(services: Services, caller: Caller, identity: str) -> None:
    """Give a session up and delete its parts.

    Raises NotFoundError, and UploadEndedError if it was completed.
    """
    with services.transaction() as session:
        row = find(session, caller.owner, identity, to_change=True)
        if row.state == "completed":
            raise UploadEndedError(f"The upload is complete; delete the {row.kind} instead.")
        if row.state == "open":
            row.state, file, row.file = "cancelled", row.file, None
            record(session, caller, "upload.cancel", identity)
            session.flush()
            release(session, services.storage, file)
    with suppress(OSError):  # the sweeper tries again
        services.storage.parts.discard(identity)
