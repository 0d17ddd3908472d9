"""All SQL about files, which uploads and artifacts refer to; the worker writes them, too."""

from typing import Final

from sqlalchemy import Connection, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from service.database.dialect import insert, is_postgresql
from service.database.tables import Artifact, Dataset, File, Model

MOVING_SECONDS: Final = 300
"""How long a transaction may wait for its process while that moves or deletes a large object."""


class FileRepository:
    """The rows of `files`, each the lock of its object.

    Whoever needs several takes them in the order of their hashes, so that nobody waits in a circle.
    """

    def __init__(self, session: Session | Connection) -> None:
        self._session = session

    def hold(self, sha256: str, size: int) -> None:
        """Hold the row of a file until the transaction ends; make it when there is none."""
        self._take_time()
        row = insert(self._session, File).values(sha256=sha256, size=size)
        self._session.execute(
            row.on_conflict_do_update(index_elements=[File.sha256], set_={"size": size})
        )

    def delete_unused(self, sha256: str) -> bool:
        """Delete the row if nothing refers to it; return whether that was so."""
        self._take_time()
        this = File.sha256 == sha256
        self._session.execute(select(File.sha256).where(this).with_for_update())
        used = (exists().where(table.sha256 == sha256) for table in (Model, Dataset, Artifact))
        if self._session.scalar(select(or_(*used))):
            return False
        self._session.execute(delete(File).where(this))
        return True

    def _take_time(self) -> None:
        """Lengthen what `make_engine` sets, for this transaction.

        It may hold an analysis as well; the reconciler does not wait for that.
        """
        if is_postgresql(self._session):
            idle = "idle_in_transaction_session_timeout"
            self._session.execute(select(func.set_config(idle, f"{MOVING_SECONDS}s", True)))
