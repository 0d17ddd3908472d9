"""All SQL about files, which uploads and artifacts refer to; workers use it, too."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.dialect import insert, is_postgresql
from service.database.tables import Artifact, Dataset, File, Model
from service.database.trials import TrialArtifact, TrialRun
from service.database.upload_sessions import UploadSession

MOVING_SECONDS: Final = 300
"""How long a transaction may be idle while its process moves or deletes a large object."""


_REFERRING: Final = (
    Artifact.sha256,
    TrialArtifact.sha256,
    TrialRun.checkpoint,
    UploadSession.file,
)
"""The columns that refer to files, beside those of uploads that have not expired."""


def _is_used(sha256: Any) -> ColumnElement[bool]:
    uploads = (
        exists().where(table.sha256 == sha256, table.state != "expired")
        for table in (Model, Dataset)
    )
    return or_(*uploads, *(exists().where(column == sha256) for column in _REFERRING))


class FileRepository:
    """The rows of `files`; each row is the lock of its object.

    Lock several rows in the order of their hashes, so that no deadlock can occur.
    """

    def __init__(self, session: Session | Connection) -> None:
        self._session = session

    def hold(self, sha256: str, size: int) -> None:
        """Lock the row of a file until the transaction ends; insert the row if it is missing."""
        self._take_time()
        row = insert(self._session, File).values(sha256=sha256, size=size)
        self._session.execute(
            row.on_conflict_do_update(index_elements=[File.sha256], set_={"size": size})
        )

    def delete_unused(self, sha256: str) -> bool:
        """Delete the row if nothing refers to it; return whether it was deleted."""
        self._take_time()
        is_file = File.sha256 == sha256
        self._session.execute(select(File.sha256).where(is_file).with_for_update())
        if self._session.scalar(select(_is_used(sha256))):
            return False
        self._session.execute(delete(File).where(is_file))
        return True

    def unused(self, older_than: timedelta, limit: int = 100) -> Sequence[str]:
        """Return the hashes of up to `limit` files of that age that nothing refers to."""
        old = File.created_at < utc_now() - older_than
        query = select(File.sha256).where(old, ~_is_used(File.sha256))
        return self._session.scalars(query.order_by(File.created_at).limit(limit)).all()

    def _take_time(self) -> None:
        """Raise the idle limit of `make_engine` for this transaction.

        The transaction may also lock an analysis; the reconciler skips locked rows.
        """
        if is_postgresql(self._session):
            idle = "idle_in_transaction_session_timeout"
            self._session.execute(select(func.set_config(idle, f"{MOVING_SECONDS}s", True)))
