"""The tables: API keys, workers, files, uploads, analyses, their shards, results and events."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

import service.database.quotas
import service.database.retention
import service.database.shares
import service.database.trials
import service.database.upload_sessions
import service.database.webhooks  # noqa: F401 - the metadata have all tables
from service.database.base import Base, Leased, utc_now
from service.database.jobs import Job, JobArtifact, JobEvent, JobKind, Part
from service.database.naming import Named, newest_of_owner


class Lease(Base):
    """A lease on a duty of one process at a time, such as reconciling; times as in `Leased`."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    token: Mapped[str] = mapped_column(String(32))
    lease_until: Mapped[float]


class Worker(Base):
    """A worker process that runs, or ran until recently.

    The rows of its current work have its `name` in their `leased_by`.
    """

    __tablename__ = "workers"
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    queues: Mapped[list[Any]]
    device: Mapped[str | None] = mapped_column(String(200))
    """The device that it computes on; unknown until its child process has started."""
    sandbox: Mapped[list[Any] | None]
    """The layers of its children's sandbox that hold; unknown until then, too."""
    version: Mapped[str] = mapped_column(String(64))
    torch_version: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    seen_at: Mapped[float]
    alive_until: Mapped[float]
    """When it counts as gone, unless it is seen again. Both times are as in `Leased`."""


class Key(Base):
    """An API key; only its HMAC is stored."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """When it was last used, to about a minute."""


class AuditEntry(Base):
    """Who changed what, and from where; written in the transaction of the change."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_owner_at", "owner", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    owner: Mapped[str] = mapped_column(String(128))
    key_id: Mapped[str] = mapped_column(String(32))
    address: Mapped[str | None] = mapped_column(String(64))
    """The address that the request came from; a proxy's, unless the server trusts the proxy."""
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(64))
    """The id of what was changed."""
    request_id: Mapped[str | None] = mapped_column(String(128))


class File(Base):
    """An object in storage, named by its hash.

    The row is the lock of the object: a process that adds or deletes the object locks the row, in
    the transaction that changes what refers to it.
    """

    __tablename__ = "files"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Upload(Named, Leased):
    """The common part of models and datasets: an owner's file, which a worker inspects.

    States: `inspecting → ready | rejected → expired`: then its file is gone, and the row stays for
    the results that refer to it.
    """

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(200))
    """As its owner calls it; without another name, as its file."""
    filename: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    """Of its file, which has a row in `files` until the upload expires."""
    size: Mapped[int]
    inspection: Mapped[dict[str, Any] | None]
    request_id: Mapped[str | None] = mapped_column(String(128))
    """The id of the HTTP request that created it, for the log."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    uploaded_at: Mapped[datetime] = mapped_column(default=utc_now)
    """When it came last: the same upload once more renews it."""
    expires_at: Mapped[datetime | None]
    """When it expires, if that was set for this upload alone."""


class Model(Upload, Base):
    __tablename__ = "models"
    __table_args__ = (newest_of_owner(),)


class Dataset(Upload, Base):
    __tablename__ = "datasets"
    __table_args__ = (newest_of_owner(),)
    transform: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Analysis(Job):
    __tablename__ = "analyses"
    __table_args__ = (UniqueConstraint("owner", "idempotency_key"), newest_of_owner())
    source_id: Mapped[str | None] = mapped_column(String(32))
    """Of a follow-up: the analysis whose partial sums it uses, which may have been deleted."""
    shards: Mapped[int] = mapped_column(default=0)
    first_look: Mapped[dict[str, Any] | None]
    """The network's score on the first samples, known as soon as the analysis was planned."""


def _of_analysis() -> Mapped[str]:
    return mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"), primary_key=True)


class Shard(Part):
    """A range of samples of one analysis."""

    __tablename__ = "shards"
    __table_args__ = (Index(None, "state", "lease_until"),)
    analysis_id: Mapped[str] = _of_analysis()
    start: Mapped[int]
    stop: Mapped[int]
    result: Mapped[bytes | None] = mapped_column(LargeBinary)
    """An `.npz` of per-batch partial sums; deleted when the analysis ends."""


class Layer(Base):
    __tablename__ = "layers"
    analysis_id: Mapped[str] = _of_analysis()
    index: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    op: Mapped[str] = mapped_column(String(64))
    group: Mapped[int | None]
    width: Mapped[int]
    parameters: Mapped[int]
    macs: Mapped[int]
    pruning_ratio: Mapped[float | None]
    interval: Mapped[list[Any] | None]
    p_value: Mapped[float | None]
    score: Mapped[float | None]
    score_interval: Mapped[list[Any] | None]
    worth: Mapped[float | None]
    worth_interval: Mapped[list[Any] | None]
    worth_ratio: Mapped[float | None]
    promise: Mapped[float | None]
    promise_interval: Mapped[list[Any] | None]
    widen_rank: Mapped[int | None]
    expected_gain: Mapped[dict[str, Any] | None]
    because: Mapped[str | None] = mapped_column(Text)
    samples_needed: Mapped[int | None]
    verdict: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    sweep: Mapped[list[Any]]
    sweep_intervals: Mapped[list[Any] | None]
    inputs: Mapped[list[Any] | None]
    joins: Mapped[list[Any] | None]
    """As `narrows.channels.flow`; null for analyses of older versions."""


class Structure(Base):
    __tablename__ = "structures"
    analysis_id: Mapped[str] = _of_analysis()
    index: Mapped[int] = mapped_column(primary_key=True)
    group: Mapped[int]
    channel: Mapped[int]
    saliency: Mapped[float]
    first_order: Mapped[float | None]
    second_order: Mapped[float | None]
    rank: Mapped[int]
    worth: Mapped[float | None]
    members: Mapped[list[Any]]


class Plan(Base):
    __tablename__ = "plans"
    analysis_id: Mapped[str] = _of_analysis()
    index: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    layers: Mapped[list[Any]]
    parameters: Mapped[list[Any]]
    macs: Mapped[list[Any]]
    artifact: Mapped[str | None] = mapped_column(Text)
    evaluation: Mapped[dict[str, Any] | None]
    error: Mapped[str | None] = mapped_column(Text)
    incomplete: Mapped[list[Any] | None]
    copies: Mapped[list[Any] | None]
    """How often each structure exists afterwards; null for analyses of older versions."""


class Artifact(JobArtifact):
    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("analysis_id", "name"),)
    analysis_id: Mapped[str] = _of_analysis()


class Event(JobEvent):
    __tablename__ = "events"
    analysis_id: Mapped[str] = mapped_column(
        ForeignKey("analyses.id", ondelete="CASCADE"), index=True
    )


ANALYSES: Final = JobKind(
    "analysis", "ana", Analysis, Shard, Event, Artifact, "analysis_id", {"result": None}
)
