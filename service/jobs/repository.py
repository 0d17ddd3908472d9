"""All SQL that analyses and trials share."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session

from service.database.dialect import insert
from service.database.jobs import J, JobArtifact, JobEvent, JobKind
from service.database.newest_first import newest_first
from service.database.trials import Trial
from service.naming.filters import JobFilters
from service.naming.matching import conditions


class JobRepository(Generic[J]):
    """The rows of one kind of job, and those that refer to them."""

    def __init__(self, session: Session, kind: JobKind[J]) -> None:
        self._session, self._kind = session, kind
        self._table: type[J] = kind.table

    def add(self, **columns: Any) -> J | None:
        """Insert a job; return None if its owner has used the idempotency key before."""
        statement = insert(self._session, self._table).values(**columns)
        key = [self._table.owner, self._table.idempotency_key]
        statement = statement.on_conflict_do_nothing(index_elements=key)
        return self._session.scalar(statement.returning(self._table))

    def by_idempotency_key(self, owner: str, key: str | None) -> J | None:
        if key is None:
            return None
        of_key = self._table.owner == owner, self._table.idempotency_key == key
        return self._session.scalar(select(self._table).where(*of_key))

    def get(self, owner: str, identity: str, *, to_change: bool = False) -> J | None:
        query = select(self._table).where(self._is(owner, identity))
        return self._session.scalar(query.with_for_update() if to_change else query)

    def get_to_refer(self, owner: str, identity: str) -> J | None:
        """Like `get`; nobody can delete the row until the transaction ends."""
        query = select(self._table).where(self._is(owner, identity))
        return self._session.scalar(query.with_for_update(read=True, key_share=True))

    def _is(self, owner: str, identity: str) -> ColumnElement[bool]:
        return and_(self._table.owner == owner, self._table.id == identity)

    def page(
        self, owner: str, filters: JobFilters, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[J]:
        """Return up to `limit` jobs of `owner` older than `before`, newest first."""
        asked = conditions(self._session, self._table, filters)
        query = select(self._table).where(self._table.owner == owner, *asked)
        return self._session.scalars(newest_first(query, self._table, before, limit)).all()

    def results(
        self, table: type[Any], identity: str, after: int = -1, limit: int | None = None
    ) -> Sequence[Any]:
        """Return the rows of a job with an index greater than `after`, at most `limit`."""
        query = select(table).where(self._kind.refers(table, identity), table.index > after)
        return self._session.scalars(query.order_by(table.index).limit(limit)).all()

    def artifacts(self, identity: str) -> Sequence[JobArtifact]:
        """Return all artifacts of a job."""
        table = self._kind.artifact
        query = select(table).where(self._kind.refers(table, identity))
        return self._session.scalars(query.order_by(table.index)).all()

    def add_files(self, identity: str, files: Sequence[JobArtifact]) -> None:
        """Let a job have files that another one has."""
        for file in files:
            columns = {name: getattr(file, name) for name in ("index", "name", "sha256", "size")}
            self._session.add(self._kind.artifact(**{self._kind.key: identity}, **columns))

    def events(self, identity: str, after: int, limit: int) -> Sequence[JobEvent]:
        event = self._kind.event
        query = select(event).where(self._kind.refers(event, identity), event.id > after)
        return self._session.scalars(query.order_by(event.id).limit(limit)).all()

    def add_event(self, identity: str, event: str, **data: Any) -> None:
        of_job = {self._kind.key: identity}
        self._session.add(self._kind.event(**of_job, kind=event, data=data))

    def trials_of(self, identity: str) -> Sequence[str]:
        """Return the ids of the trials of an analysis."""
        query = select(Trial.id).where(Trial.analysis_id == identity)
        return self._session.scalars(query.order_by(Trial.created_at)).all()

    def delete(self, identity: str) -> None:
        """Delete a job; the foreign keys delete its results and events, too."""
        self._session.execute(delete(self._table).where(self._table.id == identity))
