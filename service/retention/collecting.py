"""Removes what is due, regularly: every API can, and one at a time does."""

import logging
import threading
import time
from contextlib import suppress
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.database.duty import Duty
from service.logs import first_line
from service.retention.collector import Collector
from service.settings import Settings
from service.storage.errors import StorageError
from service.storage.objects import Storage

DUTY: Final = "collect"
INTERVAL_SECONDS: Final = 15.0
LEADER_SECONDS: Final = 3 * INTERVAL_SECONDS
ORPHANS_SECONDS: Final = 6 * 60 * 60.0
"""Between searches for orphans, which list the storage."""

log = logging.getLogger(__name__)


class Collecting:
    """A thread that removes what is due while it has the lead."""

    def __init__(self, settings: Settings, engine: Engine, storage: Storage) -> None:
        self._storage = storage
        self._collector = Collector(settings, engine, storage)
        self._duty = Duty(engine, DUTY, LEADER_SECONDS)
        self._next_orphans = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collecting", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and release the lead."""
        self._stopping.set()
        self._thread.join(1.0)
        with suppress(SQLAlchemyError):
            self._duty.release()

    def _run(self) -> None:
        with suppress(OSError):  # whoever leads tries again
            self._storage.sweep()  # what a killed API left goes at its start, whoever leads
        while not self._stopping.is_set():
            try:
                if self._duty.leads():
                    self._collect()
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", first_line(error))
            except StorageError as error:
                log.warning("the storage does not answer: %s", error)
            except Exception:  # the next round must come after any error
                log.exception("collecting failed")
            self._stopping.wait(INTERVAL_SECONDS)

    def _collect(self) -> None:
        self._collector.collect()
        if time.monotonic() >= self._next_orphans:
            self._next_orphans = time.monotonic() + ORPHANS_SECONDS
            self._collector.collect_orphans()
