"""What analyses and trials share: the columns of a job, its events and its built files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from narrows.vocabulary import PARTIAL_SUMS, RANKINGS
from service.database.base import Base, Leased, utc_now
from service.database.naming import Named

UNLISTED: Final[Mapping[str, int]] = {PARTIAL_SUMS: -1, RANKINGS: -2}
"""The indexes of files that are kept beside those that were built; lists begin at 0."""


class Job(Named, Leased, Base):
    """An owner's request that workers compute in parts.

    States: `queued → planning → running → reducing → succeeded | failed | cancelled`.
    """

    __abstract__ = True
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128))
    name: Mapped[str | None] = mapped_column(String(200))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), index=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    request: Mapped[dict[str, Any]]
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(128))
    """The id of the HTTP request that created it, for the log."""
    remaining: Mapped[int] = mapped_column(default=0)
    """How many of its parts have not ended."""
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    summary: Mapped[dict[str, Any] | None]
    provenance: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Part(Leased, Base):
    """A part of a job, which one worker computes: `queued → leased → done | failed | cancelled`."""

    __abstract__ = True
    index: Mapped[int] = mapped_column(primary_key=True)


class JobEvent(Base):
    """An event of a job; `…/events` streams them in the order of their ids."""

    __abstract__ = True
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]


class JobArtifact(Base):
    """A file that a job has built, such as a wider network, or keeps for its follow-ups."""

    __abstract__ = True
    index: Mapped[int] = mapped_column(primary_key=True)
    """Its place in the list, or that of `UNLISTED`."""
    name: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(ForeignKey("files.sha256"), index=True)
    size: Mapped[int]


J = TypeVar("J", bound=Job)


@dataclass(frozen=True)
class JobKind(Generic[J]):
    """The tables of a kind of job: its own, and those that refer to it by their column `key`."""

    noun: str
    prefix: str
    """The prefix of its ids."""
    table: type[J]
    part: type[Part]
    """What its parts are: shards or runs."""
    event: type[JobEvent]
    artifact: type[JobArtifact]
    key: str
    spent: Mapping[str, None]
    """The columns of parts that are cleared when the job ends."""

    def refers(self, table: type[Any], identity: Any) -> ColumnElement[bool]:
        """Return whether a row of `table` is of the job with this id."""
        refers: ColumnElement[bool] = getattr(table, self.key) == identity
        return refers
