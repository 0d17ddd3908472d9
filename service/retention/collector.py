"""Finds and removes what is due."""

import logging
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.database.engine import READS_ONLY
from service.database.tables import File
from service.retention import upload_sessions
from service.retention.due import Due, find
from service.retention.keep import Keeps
from service.retention.removal import remove
from service.settings import Settings
from service.storage.handover import TakingStorage
from service.storage.objects import Storage

ORPHAN_AGE: Final = timedelta(hours=1)
"""An object of this age without a row was left by a crash; a younger one may be about to get it."""
_AT_ONCE: Final = 1000

log = logging.getLogger(__name__)


class Collector:
    """Finds and removes what is due; see docs/deployment.md, "How long things are kept"."""

    def __init__(self, settings: Settings, engine: Engine, storage: Storage) -> None:
        self._settings, self._engine, self._storage = settings, engine, storage

    def due(self) -> list[Due]:
        """Return what the records say is due."""
        reading = self._engine.execution_options(**READS_ONLY)
        with Session(reading) as session, session.begin():
            return list(find(session, Keeps.of(session, self._settings)))

    def orphans(self) -> Iterator[Due]:
        """Yield the objects in storage that no row of `files` names; this lists the storage."""
        before, some = utc_now() - ORPHAN_AGE, list[tuple[str, int]]()
        for sha256, size, modified in self._storage.objects():
            if modified < before:
                some.append((sha256, size))
            if len(some) == _AT_ONCE:
                yield from self._without_row(some)
                some = []
        yield from self._without_row(some)

    def _without_row(self, objects: list[tuple[str, int]]) -> Iterator[Due]:
        known = self._recorded([sha256 for sha256, _ in objects])
        for sha256, size in objects:
            if sha256 not in known:
                yield Due("orphan", sha256, None, "no record of it", size)

    def remove(self, due: Due) -> int:
        """Remove one of these, if it is still due; return how many bytes are gone."""
        with Session(self._engine) as session, session.begin():
            freed = remove(session, self._storage, Keeps.of(session, self._settings), due)
        if due.owner is not None:
            log.info("%s %s of %s is removed: %s", due.kind, due.id, due.owner, due.reason)
        return freed

    def collect(self) -> None:
        """Remove all that the records say is due, and take over what workers left."""
        for due in self.due():
            self.remove(due)
        upload_sessions.forget_expired(self._engine, self._storage)
        if isinstance(self._storage, TakingStorage):
            self._storage.take_over(self._recorded)

    def collect_orphans(self) -> None:
        """Remove the objects that crashes left in storage, staged ones too."""
        self._storage.sweep()
        upload_sessions.delete_strays(self._engine, self._storage)
        for due in self.orphans():
            self.remove(due)

    def _recorded(self, hashes: Collection[str]) -> set[str]:
        """Return those of these hashes that a row of `files` names."""
        with Session(self._engine.execution_options(**READS_ONLY)) as session, session.begin():
            return set(session.scalars(select(File.sha256).where(File.sha256.in_(hashes))))
