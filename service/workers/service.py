"""Listing the workers."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from narrows.vocabulary import WorkerState
from service.database.tables import Worker
from service.http.pagination import ByName, Slice, decode_token, first_page
from service.workers.repository import Held, WorkerRepository
from service.workers.schemas import WorkerOut, WorkOut


def page(
    session: Session, owner: str | None, page_size: int, token: str | None
) -> Slice[WorkerOut]:
    """Return a page of all workers by name; only `owner`'s own work is identified, None: all."""
    workers = WorkerRepository(session)
    rows = workers.page(decode_token(token, ByName) or "", page_size + 1)
    first = first_page(rows, page_size, lambda row: row[0].name)
    held = {work.worker: work for work in workers.held([row.name for row, _ in first.items])}
    described = [_describe(row, alive, held.get(row.name), owner) for row, alive in first.items]
    return Slice(described, first.next_page_token)


def _describe(row: Worker, alive: bool, held: Held | None, owner: str | None) -> WorkerOut:
    work = None
    if alive and held:
        mine = owner in (None, held.owner)
        job, shard = (held.job, held.shard) if mine else (None, None)
        work = WorkOut.model_validate({"task": held.task, "job": job, "shard": shard})
    columns = {name: getattr(row, name) for name in _COLUMNS}
    state: WorkerState = "gone" if not alive else "busy" if work else "idle"
    seen_at = datetime.fromtimestamp(row.seen_at, UTC)
    return WorkerOut(state=state, work=work, seen_at=seen_at, **columns)


_COLUMNS = WorkerOut.model_fields.keys() - {"state", "work", "seen_at"}
