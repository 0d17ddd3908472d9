"""All SQL about workers."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Integer, case, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from service.database.clock import epoch_now
from service.database.tables import Analysis, Dataset, Model, Shard, Worker

_ALIVE = Worker.alive_until > epoch_now()
_NO_SHARD = cast(null(), Integer)
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
    select(
        Analysis.leased_by,
        case((Analysis.state == "planning", "plan"), else_="reduce"),
        Analysis.owner,
        Analysis.id,
        _NO_SHARD,
    ).where(Analysis.state.in_(("planning", "reducing"))),
    select(Shard.leased_by, literal("shard"), Analysis.owner, Analysis.id, Shard.index)
    .join(Analysis, Analysis.id == Shard.analysis_id)
    .where(Shard.state == "leased"),
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
