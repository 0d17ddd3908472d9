"""Leases on work: the SQL statements that all kinds of work share.

Each step is one UPDATE with the expected state and token in its condition. If it changes no row,
another worker has the work or it is no longer wanted, and the worker drops it.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, inspect, select, true, update
from sqlalchemy.orm import Mapper

from narrows.vocabulary import TaskName
from service.broker.celery_app import TASKS
from service.database.base import Leased
from service.database.clock import epoch_now
from service.database.jobs import JobKind
from worker.runtime.artifacts import Artifacts
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import TaskInputs

ProblemJson = dict[str, Any]
"""A problem document (RFC 9457)."""

FREE: Final[dict[str, Any]] = {"token": None, "leased_by": None, "lease_until": None}
"""The columns of work that nobody holds."""


class LeaseLostError(Exception):
    """The worker has lost the work: its lease expired, or the analysis has ended."""


class CancelledWorkError(LeaseLostError):
    """The work is no longer wanted: it was cancelled, or what it is part of has ended."""


class Work(ABC):
    """A kind of work: rows of `table` that are in the state `waiting` or, when leased, `held`.

    `task` names its function. Workers claim a row only if `wanted` and `ready` hold, and keep it
    only while `wanted` holds. If `builds_files`, its function also gets a folder.
    """

    task: TaskName
    job: JobKind[Any] | None = None
    """The kind of job that the work is part of, if any; the first of its ids is the job's."""
    table: type[Leased]
    waiting: str
    held: str
    wanted: ColumnElement[bool] = true()
    ready: ColumnElement[bool] = true()
    builds_files = False
    spares_a_worker = False
    """Whether one owner's work leaves a worker of its queue free for others."""

    @abstractmethod
    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        """Return the inputs of the work.

        Raises RefusedError if its uploads can't be used, and LeaseLostError if it was deleted.
        """

    @abstractmethod
    def commit(
        self, connection: Connection, claim: "Claim", result: Any, artifacts: Artifacts | None
    ) -> WakeUps:
        """Write the pipeline's result and the built files; return the wake-ups to send."""

    @abstractmethod
    def fail(self, connection: Connection, claim: "Claim", problem: ProblemJson) -> WakeUps:
        """End the work, and the analysis that it is part of, with a problem document."""

    def files(self, result: Any) -> list[str]:
        """Return the names of the files that the function has written to its folder."""
        del result
        return []

    def begin(self, connection: Connection, ids: Ids) -> None:  # noqa: B027 - for most, nothing
        """Write what changes when the work is claimed."""

    def put_back(self, connection: Connection, ids: Ids) -> None:  # noqa: B027 - for most, nothing
        """Write what changes when the work waits again."""

    def is_cancelled(self, connection: Connection, ids: Ids) -> bool:
        """Return whether work whose lease is lost is no longer wanted, rather than with others."""
        return connection.scalar(select(self.table.state).where(self.row(ids))) is None

    @property
    def queue(self) -> str:
        return TASKS[self.task]

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        mapper: Mapper[Any] = inspect(self.table)
        return mapper.primary_key

    def row(self, ids: Ids) -> ColumnElement[bool]:
        return and_(*(column == part for column, part in zip(self.key, ids, strict=True)))

    @property
    def waits(self) -> ColumnElement[bool]:
        table = self.table
        free = and_(table.state == self.waiting, table.token.is_(None))
        return and_(free, table.waits_from <= epoch_now(), self.wanted, self.ready)


@dataclass(frozen=True)
class Claim:
    """Work that a worker has claimed; `token` is the fencing token of its lease."""

    work: Work
    ids: Ids
    token: str
    attempt: int


def claim(
    connection: Connection, work: Work, ids: Ids, *, holder: str, seconds: float
) -> Claim | None:
    """Claim the work for `seconds` and count an attempt; return None if it can't be claimed."""
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


def _held_row(claim: Claim) -> ColumnElement[bool]:
    table = claim.work.table
    return and_(
        claim.work.row(claim.ids),
        table.state == claim.work.held,
        table.token == claim.token,
        claim.work.wanted,
    )


def is_held(connection: Connection, claim: Claim) -> bool:
    """Return whether the lease is still held, without writing."""
    return connection.scalar(select(claim.work.table.token).where(_held_row(claim))) is not None


def renew(connection: Connection, claim: Claim, seconds: float) -> bool:
    """Renew the lease for `seconds` from now; return whether it was still held."""
    statement = update(claim.work.table).where(_held_row(claim))
    return connection.execute(statement.values(lease_until=epoch_now() + seconds)).rowcount == 1


def end(connection: Connection, claim: Claim, **values: Any) -> None:
    """End the lease and write `values`; raise LeaseLostError, without writing, if it is lost."""
    statement = update(claim.work.table).where(_held_row(claim))
    if connection.execute(statement.values(**FREE, **values)).rowcount != 1:
        raise LeaseLostError


def expired(connection: Connection, work: Work) -> Sequence[tuple[Claim, str]]:
    """Return the claims with an expired lease, each with its holder."""
    table = work.table
    rows = connection.execute(
        select(table.token, table.attempt, table.leased_by, *work.key)
        .where(table.state == work.held, table.token.is_not(None), table.lease_until < epoch_now())
        # Rows that a long transaction is just ending are locked, and the reconciler must not wait.
        .with_for_update(skip_locked=True)
    )
    return [
        (Claim(work, tuple(ids), token, attempt), holder)
        for token, attempt, holder, *ids in rows.all()
    ]


def wake_ups(connection: Connection, work: Work, *conditions: ColumnElement[bool]) -> WakeUps:
    """Return a wake-up for each piece of waiting work that meets `conditions`.

    Send them after the transaction. If one gets lost, the reconciler sends another.
    """
    query = select(func.count()).select_from(work.table).where(work.waits, *conditions)
    return [work.queue] * (connection.scalar(query) or 0)
