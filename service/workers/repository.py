"""All SQL about workers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Integer, Select, case, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from service.database.clock import epoch_now
from service.database.jobs import JobKind
from service.database.tables import ANALYSES, Analysis, Dataset, Model, Worker
from service.database.trials import TRIALS

_ALIVE = Worker.alive_until > epoch_now()
_NO_SHARD = cast(null(), Integer)


def _of_jobs(kind: JobKind[Any], first: str, each: str, last: Any) -> tuple[Select[Any], ...]:
    """Return the queries for the work on jobs of a kind, by the tasks of its stages."""
    job, part = kind.table, kind.part
    return (
        select(
            job.leased_by,
            case((job.state == "planning", first), else_=last),
            job.owner,
            job.id,
            _NO_SHARD,
        ).where(job.state.in_(("planning", "reducing"))),
        select(part.leased_by, literal(each), job.owner, job.id, part.index)
        .join(job, kind.refers(part, job.id))
        .where(part.state == "leased"),
    )


_HELD = union_all(
    select(
        Model.leased_by.label("worker"),
        literal("inspect_model").label("task"),
        Model.owner.label("owner"),
        Model.id.label("job"),
        _NO_SHARD.label("shard"),
    ).where(Model.state == "inspecting"),
    select(
        Dataset.leased_by, literal("inspect_dataset"), Dataset.owner, Dataset.id, _NO_SHARD
    ).where(Dataset.state == "inspecting"),
    *_of_jobs(
        ANALYSES, "plan", "shard", case((Analysis.source_id.is_(None), "reduce"), else_="follow_up")
    ),
    *_of_jobs(TRIALS, "plan_trial", "train", "reduce_trial"),
).subquery()


class Held(NamedTuple):
    """A piece of work that the named worker holds."""

    worker: str
    task: str
    owner: str
    job: str
    shard: int | None


class WorkerRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, after: str, limit: int) -> Sequence[tuple[Worker, bool]]:
        """Return up to `limit` workers after the name `after`, and whether each is alive."""
        query = select(Worker, _ALIVE).where(Worker.name > after).order_by(Worker.name).limit(limit)
        return [(worker, bool(alive)) for worker, alive in self._session.execute(query)]

    def held(self, workers: Sequence[str]) -> Sequence[Held]:
        """Return the work that these workers hold."""
        rows = self._session.execute(select(_HELD).where(_HELD.c.worker.in_(workers)))
        return [Held(*row) for row in rows]

    def alive(self) -> int:
        return self._session.scalar(select(func.count()).select_from(Worker).where(_ALIVE)) or 0
