"""All SQL about API keys."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.newest_first import newest_first
from service.database.tables import Key


class KeyRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key: Key) -> None:
        self._session.add(key)
        self._session.flush()

    def valid(self, digest: str) -> Key | None:
        query = select(Key).where(Key.digest == digest, _valid())
        return self._session.scalar(query)

    def valid_of_id(self, identity: str) -> Key | None:
        query = select(Key).where(Key.id == identity, _valid())
        return self._session.scalar(query)

    def get(self, identity: str) -> Key | None:
        return self._session.get(Key, identity)

    def get_valid(self, identity: str) -> Key | None:
        """Return a valid key, which nobody else changes until the transaction ends."""
        return self._session.scalar(
            select(Key).where(Key.id == identity, _valid()).with_for_update()
        )

    def used(self, identity: str, at: datetime) -> None:
        """Note a use of a key, unless a later one is known."""
        earlier = or_(Key.last_used_at.is_(None), Key.last_used_at < at)
        self._session.execute(
            update(Key).where(Key.id == identity, earlier).values(last_used_at=at)
        )

    def known(self, digest: str) -> bool:
        return self._session.scalar(select(Key.id).where(Key.digest == digest)) is not None

    def of_owner(self, owner: str | None) -> Sequence[Key]:
        query = select(Key).order_by(Key.created_at, Key.id)
        if owner is not None:
            query = query.where(Key.owner == owner)
        return self._session.scalars(query).all()

    def page(
        self, owner: str | None, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Key]:
        """Return up to `limit` keys older than `before`, newest first."""
        query = select(Key)
        if owner is not None:
            query = query.where(Key.owner == owner)
        return self._session.scalars(newest_first(query, Key, before, limit)).all()

    def revoke(self, identity: str) -> bool:
        query = update(Key).where(Key.id == identity, Key.revoked_at.is_(None))
        revoked = query.values(revoked_at=utc_now()).returning(Key.id)
        return self._session.scalar(revoked) is not None


def _valid() -> ColumnElement[bool]:
    unexpired = or_(Key.expires_at.is_(None), Key.expires_at > utc_now())
    return and_(Key.revoked_at.is_(None), unexpired)
