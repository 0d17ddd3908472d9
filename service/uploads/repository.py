"""All SQL about uploads: models and datasets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.database.newest_first import newest_first
from service.database.tables import Analysis, Dataset, Model
from service.naming.filters import UploadFilters
from service.naming.matching import conditions

U = TypeVar("U", Model, Dataset)


class UploadRepository(Generic[U]):
    """The rows of one kind of upload."""

    def __init__(self, session: Session, table: type[U]) -> None:
        self._session = session
        self._table: type[U] = table

    def add(self, row: U) -> None:
        self._session.add(row)
        self._session.flush()

    def same(self, owner: str, sha256: str, columns: Mapping[str, Any], *, lock: bool) -> U | None:
        """Return the newest usable upload of these bytes that has these columns; None without one.

        It has the same name. What comes without another name than that of its file may also be the
        upload that came in a file of this name, and was renamed. Tags and metadata do not count.
        """
        query = select(self._table).where(
            self._table.owner == owner,
            self._table.sha256 == sha256,
            self._table.state.in_(("inspecting", "ready")),
        )
        query = query.order_by(self._table.created_at.desc())
        rows = self._session.scalars(query.with_for_update() if lock else query)
        same = (row for row in rows if _is_same(row, columns))
        return min(same, key=lambda row: row.name != columns["name"], default=None)

    def get(self, owner: str, identity: str) -> U | None:
        query = select(self._table).where(self._table.owner == owner, self._table.id == identity)
        return self._session.scalar(query)

    def names(self, identities: Collection[str]) -> dict[str, str]:
        """Return the names of uploads by their ids."""
        query = select(self._table.id, self._table.name).where(self._table.id.in_(identities))
        return {row.id: row.name for row in self._session.execute(query)}

    def get_to_refer(self, owner: str, identity: str) -> U | None:
        """Like `get`; nobody can delete the row until the transaction ends."""
        query = select(self._table).where(self._table.owner == owner, self._table.id == identity)
        return self._session.scalar(query.with_for_update(read=True, key_share=True))

    def get_to_delete(self, owner: str, identity: str) -> U | None:
        """Like `get`; nobody can change the row or refer to it until the transaction ends."""
        query = select(self._table).where(self._table.owner == owner, self._table.id == identity)
        return self._session.scalar(query.with_for_update())

    def page(
        self,
        owner: str,
        filters: UploadFilters,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> Sequence[U]:
        """Return up to `limit` rows of `owner` older than `before`, newest first."""
        asked = conditions(self._session, self._table, filters)
        query = select(self._table).where(self._table.owner == owner, *asked)
        return self._session.scalars(newest_first(query, self._table, before, limit)).all()

    def analyses_of(self, identity: str, limit: int) -> tuple[Sequence[str], int]:
        """Return the ids of the `limit` newest analyses of an upload, and the number of all."""
        column = Analysis.model_id if self._table is Model else Analysis.dataset_id
        ids = select(Analysis.id).where(column == identity)
        newest = ids.order_by(Analysis.created_at.desc(), Analysis.id).limit(limit)
        count = self._session.scalar(select(func.count()).select_from(ids.subquery()))
        return self._session.scalars(newest).all(), count or 0

    def delete(self, row: U) -> None:
        self._session.delete(row)
        self._session.flush()


def _is_same(row: Model | Dataset, columns: Mapping[str, Any]) -> bool:
    name, filename = columns["name"], columns["filename"]
    if row.name != name and not (name == filename == row.filename):
        return False
    declared = columns.keys() - {"name", "filename", "tags", "metadata_"}
    return all(getattr(row, column) == columns[column] for column in declared)
