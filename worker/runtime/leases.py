"""Work that one worker at a time holds, on lease: the statements that all kinds of work share.

Each step is one UPDATE that names the state, and the token where there is one. When it changes no
row, somebody else has the work, or nobody wants it any more, and the worker drops it.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, exists, inspect, select, true, update
from sqlalchemy.orm import Mapped, Mapper

from service.database.clock import epoch_now
from service.database.tables import Analysis, Dataset, Leased, Model, Shard
from worker.runtime.messages import Ids, Message

FREE: Final[dict[str, Any]] = {"token": None, "leased_by": None, "lease_until": None}
"""The columns of work that nobody holds."""


class LeaseLostError(Exception):
    """The work is no longer this worker's: its lease ran out, or the analysis has ended."""


@dataclass(frozen=True, eq=False)
class Work:
    """A kind of work, named like its task: rows of `table` that wait in one state, held in another.

    While `wanted` is false, nobody may take or keep such work; while `ready` is false, nobody may
    take it yet.
    """

    task: str
    table: type[Leased]
    waiting: str
    held: str
    wanted: ColumnElement[bool]
    ready: ColumnElement[bool]

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        mapper: Mapper[Any] = inspect(self.table)
        return mapper.primary_key

    def row(self, ids: Ids) -> ColumnElement[bool]:
        return and_(*(column == part for column, part in zip(self.key, ids, strict=True)))

    @property
    def waits(self) -> ColumnElement[bool]:
        return and_(
            self.table.state == self.waiting, self.table.token.is_(None), self.wanted, self.ready
        )


def _inspected(upload: type[Model | Dataset], used: Mapped[str]) -> ColumnElement[bool]:
    return ~exists(select(upload.id).where(upload.id == used, upload.state == "inspecting"))


_NOT_CANCELLED = Analysis.cancel_requested.is_(False)
_RUNNING = exists(
    select(Analysis.id).where(
        Analysis.id == Shard.analysis_id, Analysis.state == "running", _NOT_CANCELLED
    )
)
_INPUTS_INSPECTED = and_(
    _inspected(Model, Analysis.model_id), _inspected(Dataset, Analysis.dataset_id)
)

INSPECT_MODEL: Final = Work("inspect_model", Model, "inspecting", "inspecting", true(), true())
INSPECT_DATASET: Final = Work(
    "inspect_dataset", Dataset, "inspecting", "inspecting", true(), true()
)
PLAN: Final = Work("plan", Analysis, "queued", "planning", _NOT_CANCELLED, _INPUTS_INSPECTED)
SHARD: Final = Work("shard", Shard, "queued", "leased", _RUNNING, true())
REDUCE: Final = Work("reduce", Analysis, "reducing", "reducing", _NOT_CANCELLED, true())
ALL_WORK: Final = (INSPECT_MODEL, INSPECT_DATASET, PLAN, SHARD, REDUCE)


@dataclass(frozen=True)
class Claim:
    """What a worker holds; `token` proves it."""

    work: Work
    ids: Ids
    token: str
    attempt: int


def claim(
    connection: Connection, work: Work, ids: Ids, *, holder: str, seconds: float
) -> Claim | None:
    """Take the work and count an attempt; return None where it can't be had."""
    token = secrets.token_hex(16)
    attempt = connection.scalar(
        update(work.table)
        .where(work.row(ids), work.waits)
        .values(
            state=work.held,
            token=token,
            leased_by=holder,
            lease_until=epoch_now() + seconds,
            attempt=work.table.attempt + 1,
        )
        .returning(work.table.attempt)
    )
    return None if attempt is None else Claim(work, ids, token, attempt)


def _is_held(claim: Claim) -> ColumnElement[bool]:
    table = claim.work.table
    return and_(
        claim.work.row(claim.ids),
        table.state == claim.work.held,
        table.token == claim.token,
        claim.work.wanted,
    )


def holds(connection: Connection, claim: Claim) -> bool:
    return connection.scalar(select(claim.work.table.token).where(_is_held(claim))) is not None


def beat(connection: Connection, claim: Claim, seconds: float) -> bool:
    """Lengthen the lease; return whether it was still there to lengthen."""
    statement = update(claim.work.table).where(_is_held(claim))
    return connection.execute(statement.values(lease_until=epoch_now() + seconds)).rowcount == 1


def settle(connection: Connection, claim: Claim, **values: Any) -> None:
    """End the lease, writing `values`; raise LeaseLostError, having written nothing."""
    statement = update(claim.work.table).where(_is_held(claim))
    if connection.execute(statement.values(**FREE, **values)).rowcount != 1:
        raise LeaseLostError


def expired(connection: Connection, work: Work) -> Sequence[tuple[Claim, str]]:
    """Return the claims whose lease has run out, each with who held it."""
    table = work.table
    rows = connection.execute(
        select(table.token, table.attempt, table.leased_by, *work.key)
        .where(table.state == work.held, table.token.is_not(None), table.lease_until < epoch_now())
        # Not what is just being settled: that may take long, and the reconciler is not to wait.
        .with_for_update(skip_locked=True)
    )
    return [
        (Claim(work, tuple(ids), token, attempt), holder)
        for token, attempt, holder, *ids in rows.all()
    ]


def post(connection: Connection, work: Work, *conditions: ColumnElement[bool]) -> list[Message]:
    """Mark the waiting work that meets `conditions` as sent; return the messages to send.

    They go out after the transaction. Whatever does not arrive is sent again by the reconciler.
    """
    table = work.table
    rows = connection.execute(
        update(table)
        .where(work.waits, *conditions)
        .values(sent_at=epoch_now(), sends=table.sends + 1)
        .returning(*work.key)
    )
    return sorted(Message(work.task, tuple(ids)) for ids in rows)
