"""All SQL about upload sessions and their parts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.dialect import insert
from service.database.newest_first import newest_first
from service.database.upload_sessions import UploadPart, UploadSession


class UploadSessionRepository:
    """The sessions that have not expired, but where a method says otherwise."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: UploadSession) -> None:
        self._session.add(row)
        self._session.flush()

    def by_idempotency_key(self, owner: str, key: str) -> UploadSession | None:
        """Return the session that was begun with this key, also if it has expired."""
        query = select(UploadSession).where(UploadSession.owner == owner)
        return self._session.scalar(query.where(UploadSession.idempotency_key == key))

    def get(self, owner: str, identity: str, *, to_change: bool = False) -> UploadSession | None:
        query = select(UploadSession).where(*_of(owner), UploadSession.id == identity)
        return self._session.scalar(query.with_for_update() if to_change else query)

    def page(
        self,
        owner: str,
        state: str | None,
        sha256: str | None,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> Sequence[UploadSession]:
        """Return up to `limit` sessions of `owner` older than `before`, newest first."""
        query = select(UploadSession).where(*_of(owner))
        if state is not None:
            query = query.where(UploadSession.state == state)
        if sha256 is not None:
            query = query.where(UploadSession.sha256 == sha256)
        return self._session.scalars(newest_first(query, UploadSession, before, limit)).all()

    def received_bytes(self, identities: Collection[str]) -> Mapping[str, int]:
        """Return how many bytes of each session have arrived."""
        query = select(UploadPart.session_id, func.sum(UploadPart.size))
        query = query.where(UploadPart.session_id.in_(identities)).group_by(UploadPart.session_id)
        return {identity: int(size) for identity, size in self._session.execute(query)}

    def parts(self, identity: str) -> Sequence[UploadPart]:
        """Return the parts that have arrived, by number."""
        query = select(UploadPart).where(UploadPart.session_id == identity)
        return self._session.scalars(query.order_by(UploadPart.number)).all()

    def part(self, identity: str, number: int) -> UploadPart | None:
        return self._session.get(UploadPart, (identity, number))

    def add_part(self, **columns: Any) -> bool:
        """Insert a part; return False if it is there already."""
        statement = insert(self._session, UploadPart).values(**columns).on_conflict_do_nothing()
        return self._session.scalar(statement.returning(UploadPart.number)) is not None

    def forget_parts(self, identity: str, numbers: Collection[int]) -> None:
        of_session = UploadPart.session_id == identity
        damaged = delete(UploadPart).where(of_session, UploadPart.number.in_(numbers))
        self._session.execute(damaged)


def _of(owner: str) -> tuple[ColumnElement[bool], ...]:
    return UploadSession.owner == owner, UploadSession.expires_at > utc_now()
