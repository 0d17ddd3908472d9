"""Registers a worker in the database, for `GET /v1/workers` and `spare_worker`."""

import logging
import socket
import threading
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

from sqlalchemy import Engine, delete
from sqlalchemy.exc import SQLAlchemyError

from service.database.base import utc_now
from service.database.clock import epoch_now
from service.database.dialect import insert
from service.database.tables import Worker
from service.logs import first_line

KEEP_SECONDS: Final = 3600.0
"""How long the row of a worker that is gone stays, so that users see it in the list."""

log = logging.getLogger(__name__)


class Registration:
    """Sends a heartbeat three times in `seconds`; without one for `seconds`, a worker is gone."""

    def __init__(self, engine: Engine, *, name: str, queues: str, seconds: float) -> None:
        self.device: str | None = None
        self.sandbox: list[str] | None = None
        self._engine, self._name, self._seconds = engine, name, seconds
        self._fixed: dict[str, Any] = {
            "host": socket.gethostname(),
            "queues": queues.split(","),
            "version": version("narrows"),
            "torch_version": version("torch"),
            "started_at": utc_now(),
        }
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registration", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and delete this worker's row."""
        self._stopping.set()
        self._thread.join()
        with suppress(SQLAlchemyError), self._engine.begin() as connection:
            connection.execute(delete(Worker).where(Worker.name == self._name))

    def renew(self) -> None:
        """Write this worker's row; delete workers that have been gone for KEEP_SECONDS."""
        seen = {
            "device": self.device,
            "sandbox": self.sandbox,
            "seen_at": epoch_now(),
            "alive_until": epoch_now() + self._seconds,
        }
        with self._engine.begin() as connection:
            row = insert(connection, Worker).values(name=self._name, **self._fixed, **seen)
            connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=seen))
            long_gone = Worker.alive_until < epoch_now() - KEEP_SECONDS
            connection.execute(delete(Worker).where(long_gone))

    def _run(self) -> None:
        while True:
            try:
                self.renew()
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", first_line(error))
            if self._stopping.wait(self._seconds / 3):
                return
