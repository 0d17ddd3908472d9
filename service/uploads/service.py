"""Reading, changing and deleting uploads: models and datasets."""

from typing import Final

from sqlalchemy.orm import Session

from service.database.files import FileRepository
from service.http.audit import record
from service.http.pagination import Slice, age_key, decode_age, first_page
from service.http.problems import InUseError, NotFoundError
from service.http.security import Caller
from service.naming.changes import change as change_naming
from service.naming.filters import UploadFilters
from service.storage.objects import Storage
from service.uploads.expiry import UploadChange, require_kept
from service.uploads.kind import Kind
from service.uploads.repository import U, UploadRepository

ANALYSES_SHOWN: Final = 10


def find(session: Session, owner: str, kind: Kind[U], identity: str) -> U:
    """Return `owner`'s upload; raise NotFoundError."""
    row = UploadRepository(session, kind.table).get(owner, identity)
    return _require(row, kind, identity)


def find_to_refer(session: Session, owner: str, kind: Kind[U], identity: str) -> U:
    """Return `owner`'s upload, which stays until the transaction ends; raise NotFoundError."""
    row = UploadRepository(session, kind.table).get_to_refer(owner, identity)
    return _require(row, kind, identity)


def page(
    session: Session,
    owner: str,
    kind: Kind[U],
    filters: UploadFilters,
    page_size: int,
    token: str | None,
) -> Slice[U]:
    """Return a page of `owner`'s uploads that are asked for, newest first."""
    uploads = UploadRepository(session, kind.table)
    rows = uploads.page(owner, filters, decode_age(token), page_size + 1)
    return first_page(rows, page_size, age_key)


def change(
    session: Session, caller: Caller, kind: Kind[U], identity: str, asked: UploadChange
) -> U:
    """Change the names of the caller's upload, or when it expires.

    Raises NotFoundError, InvalidError for too many tags or metadata, and ExpiredError if it has
    expired.
    """
    found = UploadRepository(session, kind.table).get_to_delete(caller.owner, identity)
    row = _require(found, kind, identity)
    if "expires_at" in asked.model_fields_set:
        require_kept(row, kind.noun)
        row.expires_at = asked.expires_at
    if "name" in asked.model_fields_set:
        row.name = asked.name or row.filename
    change_naming(row, asked)
    record(session, caller, f"{kind.noun}.change", identity)
    return row


def remove(
    session: Session, storage: Storage, caller: Caller, kind: Kind[U], identity: str
) -> None:
    """Delete the caller's upload, and its file if nothing else refers to it.

    Raises NotFoundError, and InUseError while analyses, ended ones too, refer to the upload.
    """
    uploads = UploadRepository(session, kind.table)
    row = _require(uploads.get_to_delete(caller.owner, identity), kind, identity)
    analyses, count = uploads.analyses_of(identity, ANALYSES_SHOWN)
    if analyses:
        others = f" and {count - len(analyses)} more" if count > len(analyses) else ""
        raise InUseError(
            f"Analyses refer to this {kind.noun}; delete them first: "
            f"{', '.join(analyses)}{others}.",
            analyses=analyses,
        )
    uploads.delete(row)
    record(session, caller, f"{kind.noun}.delete", identity)
    if FileRepository(session).delete_unused(row.sha256):
        storage.delete(row.sha256)


def _require(row: U | None, kind: Kind[U], identity: str) -> U:
    if row is None:
        raise NotFoundError(f"There is no {kind.noun} {identity}.")
    return row
