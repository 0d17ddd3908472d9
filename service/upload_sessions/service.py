"""Reading, giving up and forgetting upload sessions."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.upload_sessions import UploadSession
from service.datasets.service import DATASETS
from service.http.audit import record
from service.http.dependencies import Services
from service.http.pagination import Slice, age_key, decode_age, first_page
from service.http.problems import (
    NotFoundError,
    UploadEndedError,
)
from service.http.security import Caller
from service.models.service import MODELS
from service.retention.upload_sessions import release
from service.settings import Settings
from service.upload_sessions.repository import UploadSessionRepository
from service.upload_sessions.schemas import (
    UploadSessionDetail,
    UploadSessionOut,
)
from service.uploads.kind import Kind

KINDS: Final[dict[str, Kind[Any]]] = {kind.noun: kind for kind in (MODELS, DATASETS)}


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
