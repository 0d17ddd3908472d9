"""How much of its limits an owner has used."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, union
from sqlalchemy.orm import Session

from narrows.vocabulary import ACTIVE
from service.database.base import utc_now
from service.database.jobs import JobKind
from service.database.tables import ANALYSES, AuditEntry, Dataset, File, Model
from service.database.trials import TRIALS
from service.database.upload_sessions import UploadSession

UPLOADS: Final[dict[str, type[Model | Dataset]]] = {"models": Model, "datasets": Dataset}
JOBS: Final[dict[str, JobKind[Any]]] = {"analyses": ANALYSES, "trials": TRIALS}
UPLOADED: Final = ("model.create", "dataset.create")
"""How the audit log, which outlives the uploads, names them."""
DAY: Final = timedelta(days=1)


def active_jobs(session: Session, kind: JobKind[Any], owner: str) -> int:
    """Return how many jobs of an owner have not ended."""
    table = kind.table
    mine = table.owner == owner, table.state.in_(ACTIVE)
    return session.scalar(select(func.count()).select_from(table).where(*mine)) or 0


def uploads_of_day(session: Session, owner: str) -> tuple[int, datetime | None]:
    """Return how many uploads an owner has made in 24 hours, and when the first of them was."""
    lately = AuditEntry.owner == owner, AuditEntry.at > utc_now() - DAY
    uploaded = AuditEntry.action.in_(UPLOADED)
    query = select(func.count(), func.min(AuditEntry.at)).where(*lately, uploaded)
    count, first = session.execute(query).one()
    return count, first


def bytes_used(session: Session, owner: str) -> int:
    """Return the size of an owner's files, and of those that still arrive in parts."""
    return bytes_stored(session, [owner]).get(owner, 0) + bytes_arriving(session, owner)


def bytes_arriving(session: Session, owner: str) -> int:
    """Return the size of the files that an owner sends in parts."""
    row = UploadSession
    arriving = row.owner == owner, row.state == "open", row.file.is_(None)
    reserved = select(func.sum(row.size)).where(*arriving, row.expires_at > utc_now())
    return int(session.scalar(reserved) or 0)


def bytes_stored(session: Session, owners: Collection[str]) -> dict[str, int]:
    """Return the size of each owner's files; what it uploaded twice is stored once."""
    referring = [select(table.owner, table.sha256) for table in UPLOADS.values()]
    for kind in JOBS.values():
        built = kind.artifact
        of_job = kind.refers(built, kind.table.id)
        referring.append(select(kind.table.owner, built.sha256).join(built, of_job))
    mine = [query.where(query.selected_columns[0].in_(owners)) for query in referring]
    files = union(*mine).subquery()
    query = select(files.c.owner, func.sum(File.size)).join(File, File.sha256 == files.c.sha256)
    return {owner: int(size) for owner, size in session.execute(query.group_by(files.c.owner))}
