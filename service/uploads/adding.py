"""Adding uploads: a file is received and kept, and a row for its owner inserted or renewed."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.database.base import new_id, utc_now
from service.database.files import FileRepository
from service.database.tables import Dataset, Model
from service.http.audit import record
from service.http.dependencies import Services, enqueue
from service.http.quotas import require_upload
from service.http.security import Caller
from service.logs import request_id
from service.naming.changes import add as add_naming
from service.naming.schemas import METADATA, NAME, TAGS
from service.storage.objects import Storage
from service.storage.stored import Stored
from service.uploads.expiry import EXPIRY
from service.uploads.kind import Kind
from service.uploads.receive import ENVELOPE_BYTES, Form, receive
from service.uploads.repository import U, UploadRepository


async def accept(
    request: Request,
    services: Services,
    caller: Caller,
    kind: Kind[U],
    texts: dict[str, str] | None = None,
) -> tuple[U, bool]:
    """Receive the form in the request's body, keep its file and insert a row for its owner.

    Returns the row, and whether it is new: an owner's same upload is there once, see
    `UploadRepository.same`. `texts` is that of `receive`. Raises the ProblemErrors of
    `receive`, and RequestValidationError (422) for its text fields.
    """
    fields = {"name", "tags", "metadata", "expires_at", *kind.fields}
    limit = services.settings.max_upload_bytes
    await run_in_threadpool(_look, services, caller, request)
    form = await receive(request, services.storage, fields=fields, limit=limit, texts=texts)
    return await run_in_threadpool(_store, services, caller, form, kind)


def _look(services: Services, caller: Caller, request: Request) -> None:
    """Refuse what exceeds the caller's limits before it is received."""
    size = int(request.headers.get("content-length", 0)) - ENVELOPE_BYTES
    with services.reading() as session:
        require_upload(session, caller, max(size, 0), lock=False)


def _store(services: Services, caller: Caller, form: Form, kind: Kind[U]) -> tuple[U, bool]:
    try:
        columns = {name: read(form) for name, read in kind.fields.items()}
        columns["filename"] = plain_name(form.filename)
        columns["name"] = form.field("name", NAME) or columns["filename"]
        columns["tags"] = form.field("tags", TAGS, as_json=True) or []
        columns["metadata_"] = form.field("metadata", METADATA, as_json=True) or {}
        expires_at = form.field("expires_at", EXPIRY)
        with services.transaction() as session:
            return add(session, services.storage, caller, form.file, kind, columns, expires_at)
    except BaseException:
        services.storage.discard(form.file)
        raise


def add(
    session: Session,
    storage: Storage,
    caller: Caller,
    file: Stored,
    kind: Kind[U],
    columns: Mapping[str, Any],
    expires_at: datetime | None = None,
) -> tuple[U, bool]:
    """Keep a staged file; return the caller's upload of it, and whether that is new.

    To one that is there already, the tags and metadata are added.
    """
    row = _same_upload(session, caller, file, kind, columns)
    is_new = row is None
    if row is None:
        row = _new_upload(session, caller, file, kind, columns)
    else:
        _came_again(row, columns)
    row.expires_at = expires_at or row.expires_at
    session.flush()
    storage.keep(file)  # in place of the same bytes, which may be damaged
    return row, is_new


def _same_upload(
    session: Session, caller: Caller, file: Stored, kind: Kind[U], columns: Mapping[str, Any]
) -> U | None:
    """Hold the file's row; return the caller's upload of the same, if there is one.

    Its row is locked before that of the file, as where an upload is deleted: in another order, two
    would wait for each other. While the file's row is held, nobody else can add the same upload, so
    then it is looked for once more; if there is one now, the file is let go first.
    """
    uploads = UploadRepository(session, kind.table)
    while True:
        row = uploads.same(caller.owner, file.sha256, columns, lock=True)
        holding = session.begin_nested()
        FileRepository(session).hold(file.sha256, file.size)
        if row is not None:
            record(session, caller, f"{kind.noun}.renew", row.id)
            return row
        if uploads.same(caller.owner, file.sha256, columns, lock=False) is None:
            return None
        holding.rollback()


def renew(
    services: Services, caller: Caller, kind: Kind[U], sha256: str, columns: Mapping[str, Any]
) -> U | None:
    """Return the caller's upload of these bytes and columns, as if it came again; else None."""
    with services.reading() as session:
        there = UploadRepository(session, kind.table).same(
            caller.owner, sha256, columns, lock=False
        )
    if there is None or not services.storage.is_intact(sha256, there.size):
        return None
    with services.transaction() as session:
        row = UploadRepository(session, kind.table).get_to_delete(caller.owner, there.id)
        if row is None or row.state != there.state:
            return None
        _came_again(row, columns)
        record(session, caller, f"{kind.noun}.renew", row.id)
    return row


def _came_again(row: Model | Dataset, columns: Mapping[str, Any]) -> None:
    row.uploaded_at = utc_now()
    add_naming(row, columns["tags"], columns["metadata_"])


def _new_upload(
    session: Session, caller: Caller, file: Stored, kind: Kind[U], columns: Mapping[str, Any]
) -> U:
    require_upload(session, caller, file.size)
    now = utc_now()
    row = kind.table(
        id=new_id(kind.prefix),
        owner=caller.owner,
        created_at=now,
        uploaded_at=now,
        sha256=file.sha256,
        size=file.size,
        state="inspecting",
        request_id=request_id(),
        **columns,
    )
    UploadRepository(session, kind.table).add(row)
    enqueue(session, kind.task, row.id)
    record(session, caller, f"{kind.noun}.create", row.id)
    return row


def plain_name(filename: str | None) -> str:
    """Return the name of a file without folders and what can't be printed."""
    name = PurePosixPath((filename or "").replace("\\", "/")).name
    return "".join(filter(str.isprintable, name)).strip()[:200] or "unnamed"
