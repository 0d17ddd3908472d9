"""Removes what is due: each in a transaction of its own, in which it is looked at again."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.files import FileRepository
from service.database.jobs import JobKind
from service.database.tables import AuditEntry, File
from service.retention.due import (
    JOBS,
    UPLOADS,
    Due,
    Uploads,
    is_old_artifact,
    is_old_job,
    is_old_upload,
    is_referred,
)
from service.retention.keep import Keeps
from service.storage.objects import Storage

BY_RETENTION: Final = "retention"
"""Stands for the key in the audit log."""


def remove(session: Session, storage: Storage, keeps: Keeps, due: Due) -> int:
    """Remove what is due, if it still is; return how many bytes of files are gone."""
    hashes = _REMOVALS[due.kind](session, keeps, due)
    if due.owner is not None and hashes is not None:
        action = f"{due.kind.partition(' ')[0]}.expire"
        entry = AuditEntry(owner=due.owner, key_id=BY_RETENTION, action=action, subject=due.id)
        session.add(entry)
    files, freed = FileRepository(session), 0
    for sha256 in sorted(hashes or ()):
        size = session.scalar(select(File.size).where(File.sha256 == sha256)) or 0
        if files.delete_unused(sha256):
            storage.delete(sha256)
            freed += size
    return freed


def _lock(session: Session, table: Any, identity: str) -> None:
    """Lock a row: what comes next sees what others did before, and they wait."""
    session.execute(select(table.id).where(table.id == identity).with_for_update())


def _upload(table: Uploads, session: Session, keeps: Keeps, due: Due) -> set[str] | None:
    identity = due.id
    _lock(session, table, identity)
    wanted = table.id == identity, is_old_upload(table, keeps, utc_now())
    rows: Any = table
    row = session.scalar(select(rows).where(*wanted))
    if row is None:
        return None
    hashes = {row.sha256} if row.state != "expired" else set()
    if session.scalar(select(is_referred(table)).where(table.id == identity)):
        row.state = "expired"
    else:
        session.delete(row)
    session.flush()
    return hashes


def _job(
    kind: JobKind[Any], session: Session, keeps: Keeps, due: Due, *, whole: bool
) -> set[str] | None:
    """Delete a job, or the rows of what it built; return the hashes of its files."""
    table, built, identity = kind.table, kind.artifact, due.id
    _lock(session, table, identity)
    is_old = (is_old_job if whole else is_old_artifact)(kind, keeps, utc_now())
    if session.scalar(select(table.id).where(table.id == identity, is_old)) is None:
        return None
    of_job = kind.refers(built, identity)
    hashes = set(session.scalars(select(built.sha256).where(of_job)))
    if whole:
        session.execute(delete(table).where(table.id == identity))  # its parts go with it
    else:
        session.execute(delete(built).where(of_job))
    return hashes


def _file(_session: Session, _keeps: Keeps, due: Due) -> set[str]:
    return {due.id}


def _orphan(session: Session, _keeps: Keeps, due: Due) -> set[str]:
    """Add the row that an orphan lacks: an upload of the same bytes waits for it, as its lock."""
    FileRepository(session).hold(due.id, due.size)
    return {due.id}


_REMOVALS: Final[dict[str, Callable[[Session, Keeps, Due], set[str] | None]]] = {
    **{noun: partial(_upload, table) for noun, table in UPLOADS.items()},
    **{kind.noun: partial(_job, kind, whole=True) for kind in JOBS},
    **{f"{kind.noun} artifacts": partial(_job, kind, whole=False) for kind in JOBS},
    "file": _file,
    "orphan": _orphan,
}
"""How each kind is removed: returns the hashes of its files, None where it is not due any more."""
