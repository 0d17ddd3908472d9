"""Beginning upload sessions, or going on with one."""

from typing import Any, Final

from service.database.base import new_id, utc_now
from service.database.upload_sessions import UploadSession
from service.http.audit import record
from service.http.dependencies import Services
from service.http.problems import InvalidError, KeyReusedError, TooLargeError
from service.http.quotas import require_upload
from service.http.security import Caller
from service.retention.upload_sessions import forget
from service.upload_sessions.repository import UploadSessionRepository
from service.upload_sessions.schemas import UploadSessionDetail, UploadSessionRequest
from service.upload_sessions.service import KINDS, describe, detail, expiry
from service.uploads.adding import plain_name, renew

PART_SIZE: Final = 16 << 20
"""Bytes of a part, unless that makes too many: little to send again, and few requests."""
MOST_PARTS: Final = 10_000
LOOKED_AT: Final = 50
"""Among so many open sessions of a file, one to go on with is looked for."""


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
    asked = _asked(body)
    if key is not None and (existing := _begun(services, caller.owner, key)):
        if not _is(existing, asked):
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
    if there := renew(services, caller, KINDS[row.kind], row.sha256, row.columns):
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


def go_on(services: Services, caller: Caller, body: UploadSessionRequest) -> UploadSessionDetail:
    """Return the newest open session that was begun by the same request, or begin one."""
    asked = _asked(body)
    with services.reading() as session:
        rows = UploadSessionRepository(session).page(
            caller.owner, "open", body.sha256, None, LOOKED_AT
        )
        for row in rows:
            if _is(row, asked):
                return detail(session, caller.owner, row.id)
    return begin(services, caller, body, None)


def _asked(body: UploadSessionRequest) -> dict[str, Any]:
    """Return the columns of a session that are asked for."""
    return {
        **body.model_dump(include={"kind", "size", "sha256"}),
        "name": body.name or plain_name(body.filename),
        "part_size": suitable_part_size(body.size, body.part_size),
        "declared": _declared(body),
    }


def _is(row: UploadSession, asked: dict[str, Any]) -> bool:
    return all(getattr(row, name) == value for name, value in asked.items())


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
