"""All SQL about analyses and their results."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from service.database.dialect import insert
from service.database.tables import Analysis, Artifact, Event, Layer, Plan, Structure

R = TypeVar("R", Layer, Structure, Plan, Artifact)


class AnalysisRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, **columns: Any) -> Analysis | None:
        """Insert an analysis; return None if its owner has used the idempotency key before."""
        statement = insert(self._session, Analysis).values(**columns)
        key = [Analysis.owner, Analysis.idempotency_key]
        statement = statement.on_conflict_do_nothing(index_elements=key)
        return self._session.scalar(statement.returning(Analysis))

    def by_idempotency_key(self, owner: str, key: str | None) -> Analysis | None:
        if key is None:
            return None
        query = select(Analysis).where(Analysis.owner == owner, Analysis.idempotency_key == key)
        return self._session.scalar(query)

    def get(self, owner: str, identity: str, *, to_change: bool = False) -> Analysis | None:
        query = select(Analysis).where(Analysis.owner == owner, Analysis.id == identity)
        return self._session.scalar(query.with_for_update() if to_change else query)

    def page(
        self, owner: str, state: str | None, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Analysis]:
        """Return up to `limit` analyses of `owner` older than `before`, newest first."""
        query = select(Analysis).where(Analysis.owner == owner)
        if state is not None:
            query = query.where(Analysis.state == state)
        if before is not None:
            query = query.where(tuple_(Analysis.created_at, Analysis.id) < before)
        order = Analysis.created_at.desc(), Analysis.id.desc()
        return self._session.scalars(query.order_by(*order).limit(limit)).all()

    def results(self, table: type[R], identity: str, after: int, limit: int) -> Sequence[R]:
        """Return up to `limit` result rows of an analysis with an index greater than `after`."""
        query = select(table).where(table.analysis_id == identity, table.index > after)
        return self._session.scalars(query.order_by(table.index).limit(limit)).all()

    def artifacts(self, identity: str) -> Sequence[Artifact]:
        """Return all artifacts of an analysis."""
        query = select(Artifact).where(Artifact.analysis_id == identity)
        return self._session.scalars(query.order_by(Artifact.index)).all()

    def events(self, identity: str, after: int, limit: int) -> Sequence[Event]:
        query = select(Event).where(Event.analysis_id == identity, Event.id > after)
        return self._session.scalars(query.order_by(Event.id).limit(limit)).all()

    def add_event(self, identity: str, kind: str, **data: Any) -> None:
        self._session.add(Event(analysis_id=identity, kind=kind, data=data))

    def delete(self, identity: str) -> None:
        """Delete an analysis; the foreign keys delete its results and events, too."""
        self._session.execute(delete(Analysis).where(Analysis.id == identity))
