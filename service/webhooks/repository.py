"""The SQL of webhooks and deliveries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, update
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.newest_first import newest_first
from service.database.webhooks import Delivery, Webhook


@dataclass(frozen=True)
class Claim:
    """A delivery that this process attempts now."""

    id: str
    webhook_id: str
    secret_version: int
    url: str
    payload: dict[str, Any]
    tries: int


class WebhookRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, owner: str) -> int:
        query = select(func.count()).where(Webhook.owner == owner).select_from(Webhook)
        return self._session.scalar(query) or 0

    def get(self, owner: str, identity: str) -> Webhook | None:
        query = select(Webhook).where(Webhook.owner == owner, Webhook.id == identity)
        return self._session.scalar(query)

    def page(
        self, owner: str, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Webhook]:
        """Return up to `limit` webhooks older than `before`, newest first."""
        query = select(Webhook).where(Webhook.owner == owner)
        return self._session.scalars(newest_first(query, Webhook, before, limit)).all()

    def delivery(self, webhook_id: str, identity: str) -> Delivery | None:
        query = select(Delivery).where(Delivery.webhook_id == webhook_id, Delivery.id == identity)
        return self._session.scalar(query)

    def deliveries(
        self, webhook_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Delivery]:
        """Return up to `limit` deliveries older than `before`, newest first."""
        query = select(Delivery).where(Delivery.webhook_id == webhook_id)
        return self._session.scalars(newest_first(query, Delivery, before, limit)).all()

    def is_due(self, busy: Collection[str]) -> bool:
        """Return whether a delivery is due, but for those of the webhooks `busy`."""
        return bool(self._session.scalar(select(exists().where(_is_due(busy)))))

    def claim(self, limit: int, busy: Collection[str], lease: timedelta) -> list[Claim]:
        """Take up to `limit` deliveries that are due, at most one of each webhook.

        Those of the webhooks `busy` are left. A delivery whose process dies is due again after
        `lease`.
        """
        now, claims = utc_now(), list[Claim]()
        in_order = func.row_number().over(
            partition_by=Delivery.webhook_id, order_by=Delivery.next_attempt_at
        )
        due = select(Delivery.id, in_order.label("place")).where(_is_due(busy)).subquery()
        first = and_(due.c.id == Delivery.id, due.c.place == 1)
        query = select(Delivery, Webhook.url, Webhook.secret_version).join(Webhook).join(due, first)
        query = query.order_by(Delivery.next_attempt_at).limit(limit)
        for row, url, version in self._session.execute(query).all():
            took = self._session.scalar(
                update(Delivery)
                .where(Delivery.id == row.id, Delivery.tries == row.tries)
                .where(Delivery.state == "pending")
                .values(tries=row.tries + 1, next_attempt_at=now + lease)
                .returning(Delivery.id)
                .execution_options(synchronize_session=False)
            )
            if took is not None:  # else another process was faster
                claims.append(
                    Claim(row.id, row.webhook_id, version, url, row.payload, row.tries + 1)
                )
        return claims

    def attempted(self, claim: Claim, attempt: dict[str, Any], **values: Any) -> None:
        """Note how an attempt ended, unless a later one has begun."""
        row = self._session.scalar(
            select(Delivery)
            .where(Delivery.id == claim.id, Delivery.tries == claim.tries)
            .with_for_update()
        )
        if row is not None:
            row.attempts = [*row.attempts, attempt]
            for name, value in values.items():
                setattr(row, name, value)

    def disable(self, identity: str) -> None:
        """Send nothing more to a webhook."""
        self._session.execute(update(Webhook).where(Webhook.id == identity).values(enabled=False))

    def forget(self, before: datetime) -> None:
        """Delete the deliveries that have ended and are older than `before`."""
        ended = Delivery.state != "pending"
        self._session.execute(delete(Delivery).where(ended, Delivery.created_at < before))


def _is_due(busy: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a delivery is due, and its webhook enabled and not `busy`."""
    enabled = select(Webhook.id).where(Webhook.enabled, Webhook.id.not_in(busy))
    due = and_(Delivery.state == "pending", Delivery.next_attempt_at <= utc_now())
    return and_(due, Delivery.webhook_id.in_(enabled))
