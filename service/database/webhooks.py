"""Webhooks and their deliveries: which are due is written in the transaction of the event."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ForeignKey, Index, Row, String, Text, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.database.base import Base, new_id, utc_now
from service.database.jobs import JobKind


class Webhook(Base):
    """Where an owner wants to be told of events. Its secret is derived, and not stored."""

    __tablename__ = "webhooks"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128), index=True)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[Any]]
    enabled: Mapped[bool] = mapped_column(default=True)
    secret_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Delivery(Base):
    """A message to a webhook: `pending → delivered | failed`."""

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "state", "next_attempt_at"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(
        ForeignKey("webhooks.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str] = mapped_column(String(32))
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[list[Any]] = mapped_column(default=list)
    """When each was made, its status or error, and its seconds."""
    tries: Mapped[int] = mapped_column(default=0)
    """How many attempts began; an attempt whose number is no longer this one changes nothing."""
    next_attempt_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


def announce(connection: Connection | Session, kind: JobKind[Any], identity: str | int) -> None:
    """Write a delivery for each webhook of the owner that wants to know that this job ended."""
    table = kind.table
    job = connection.execute(select(*_told(table)).where(table.id == identity)).one()
    event = f"{kind.noun}.{job.state}"
    webhooks = select(Webhook.id, Webhook.events).where(Webhook.owner == job.owner, Webhook.enabled)
    wanting = [row.id for row in connection.execute(webhooks) if event in row.events]
    if wanting:
        payload = message(event, job_data(job))
        rows = [delivery_values(webhook_id, event, payload) for webhook_id in wanting]
        connection.execute(insert(Delivery), rows)


def delivery_values(webhook_id: str, event: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a new delivery."""
    return {"id": new_id("msg"), "webhook_id": webhook_id, "event": event, "payload": payload}


def message(event: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return a payload as Standard Webhooks has it: type, timestamp, data."""
    return {"type": event, "timestamp": utc_now().isoformat(), "data": data}


def job_data(job: Row[Any]) -> dict[str, Any]:
    """Return what is told of a job; the rest is found at its id."""
    summary = job.summary or {}
    return {
        "id": job.id,
        "state": job.state,
        "name": job.name,
        "tags": job.tags,
        "model_id": job.model_id,
        "dataset_id": job.dataset_id,
        "bottlenecks": summary.get("bottlenecks"),
        "doubt": summary.get("doubt"),
        "error": job.error,
    }


def _told(table: Any) -> tuple[Any, ...]:
    names = (
        "id", "owner", "state", "name", "tags", "model_id", "dataset_id", "summary", "error",
    )  # fmt: skip
    return tuple(getattr(table, name) for name in names)
