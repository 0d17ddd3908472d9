"""What may be removed: expired uploads, results and artifacts, and files that nothing refers to."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from narrows.vocabulary import ACTIVE, ENDED
from service.database.base import utc_now
from service.database.files import FileRepository
from service.database.jobs import JobKind
from service.database.tables import ANALYSES, Dataset, File, Model
from service.database.trials import TRIALS, Trial
from service.retention.keep import Keeps

JOBS: Final[tuple[JobKind[Any], ...]] = (TRIALS, ANALYSES)
"""Trials first: an analysis stays while trials refer to it."""
Uploads = type[Model] | type[Dataset]
UPLOADS: Final[dict[str, Uploads]] = {"model": Model, "dataset": Dataset}
UNUSED_AGE: Final = timedelta(seconds=15)
"""How long a file stays that nothing refers to, such as a checkpoint that was replaced."""


class Due(NamedTuple):
    """Something that may be removed, why, and the size of its files in bytes."""

    kind: str
    id: str
    owner: str | None
    reason: str
    size: int


def find(session: Session, keeps: Keeps) -> Iterator[Due]:
    """Yield all that is due now, in the order in which it can be removed."""
    now = utc_now()
    for kind in JOBS:
        yield from _jobs(session, kind, is_old_job(kind, keeps, now))
    for kind in JOBS:
        yield from _artifacts(session, kind, is_old_artifact(kind, keeps, now))
    for noun, table in UPLOADS.items():
        yield from _uploads(session, noun, table, keeps, now)
    for sha256 in FileRepository(session).unused(UNUSED_AGE):
        size = session.scalar(select(File.size).where(File.sha256 == sha256)) or 0
        yield Due("file", sha256, None, "nothing refers to it", size)


def is_old_job(kind: JobKind[Any], keeps: Keeps, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a job expired, and nothing refers to it."""
    table = kind.table
    old = and_(
        table.state.in_(ENDED), keeps.are_old("results", table.owner, table.finished_at, now)
    )
    return and_(old, ~exists().where(Trial.analysis_id == table.id)) if kind is ANALYSES else old


def is_old_artifact(kind: JobKind[Any], keeps: Keeps, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a job has files, which expired."""
    table = kind.table
    old = keeps.are_old("artifacts", table.owner, table.finished_at, now)
    return and_(table.state.in_(ENDED), old, exists().where(kind.refers(kind.artifact, table.id)))


def is_old_upload(table: Uploads, keeps: Keeps, now: datetime) -> ColumnElement[bool]:
    """Return the condition that an upload expired, and no work uses it; or that it is forgotten.

    One whose file is gone stays for results, and is forgotten when the last of them is.
    """
    of_retention = keeps.are_old("uploads", table.owner, table.uploaded_at, now)
    old = or_(table.expires_at < now, and_(table.expires_at.is_(None), of_retention))
    is_free = and_(table.token.is_(None), ~is_referred(table, ACTIVE))
    expires = and_(table.state != "expired", old, is_free)
    return or_(expires, and_(table.state == "expired", ~is_referred(table)))


def is_referred(table: Uploads, states: Sequence[str] | None = None) -> ColumnElement[bool]:
    """Return the condition that a job, of one of these states, refers to an upload."""
    column = "model_id" if table is Model else "dataset_id"
    return or_(*(exists().where(*_refers(kind, column, table, states)) for kind in JOBS))


def _refers(
    kind: JobKind[Any], column: str, table: Uploads, states: Sequence[str] | None
) -> list[ColumnElement[bool]]:
    refers = [getattr(kind.table, column) == table.id]
    return refers if states is None else [*refers, kind.table.state.in_(states)]


def _jobs(session: Session, kind: JobKind[Any], old: ColumnElement[bool]) -> Iterator[Due]:
    table = kind.table
    for row in session.execute(select(table.id, table.owner, table.finished_at).where(old)):
        size = _size(session, kind, row.id)
        yield Due(kind.noun, row.id, row.owner, _since(row.finished_at), size)


def _artifacts(session: Session, kind: JobKind[Any], old: ColumnElement[bool]) -> Iterator[Due]:
    table = kind.table
    for row in session.execute(select(table.id, table.owner, table.finished_at).where(old)):
        size = _size(session, kind, row.id)
        yield Due(f"{kind.noun} artifacts", row.id, row.owner, _since(row.finished_at), size)


def _uploads(
    session: Session, noun: str, table: Uploads, keeps: Keeps, now: datetime
) -> Iterator[Due]:
    rows: Any = table
    query = select(rows, is_referred(table)).where(is_old_upload(table, keeps, now))
    for row, is_kept in session.execute(query):
        if row.state == "expired":
            yield Due(noun, row.id, row.owner, "its file is gone, and nothing refers to it", 0)
            continue
        until = keeps.of_owner(row.owner).upload_until(row.uploaded_at, row.expires_at)
        stays = "; its entry stays for results" if is_kept else ""
        yield Due(noun, row.id, row.owner, f"expired {until:%Y-%m-%d}{stays}", row.size)


def _since(finished_at: datetime) -> str:
    return f"expired; it ended {finished_at:%Y-%m-%d}"


def _size(session: Session, kind: JobKind[Any], identity: str) -> int:
    built = kind.artifact
    query = select(func.sum(built.size)).where(kind.refers(built, identity))
    return int(session.scalar(query) or 0)
