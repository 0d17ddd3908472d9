"""All SQL about API keys."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.tables import Key


class KeyRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, key: Key) -> None:
        self._session.add(key)
        self._session.flush()

    def valid(self, digest: str) -> Key | None:
        query = select(Key).where(Key.digest == digest, Key.revoked_at.is_(None))
        return self._session.scalar(query)

    def known(self, digest: str) -> bool:
        return self._session.scalar(select(Key.id).where(Key.digest == digest)) is not None

    def of_owner(self, owner: str | None) -> Sequence[Key]:
        query = select(Key).order_by(Key.created_at, Key.id)
        if owner is not None:
            query = query.where(Key.owner == owner)
        return self._session.scalars(query).all()

    def revoke(self, identity: str) -> bool:
        query = update(Key).where(Key.id == identity, Key.revoked_at.is_(None))
        revoked = query.values(revoked_at=utc_now()).returning(Key.id)
        return self._session.scalar(revoked) is not None
