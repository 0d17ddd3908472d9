"""Renews a lease in a thread, and notices when the lease is lost or the work is cancelled."""

import logging
import threading
import time
from types import TracebackType
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError

from service.logs import first_line
from worker.runtime.jobs import Jobs
from worker.runtime.leases import Claim, LeaseLostError

LOOK_SECONDS: Final = 0.5

log = logging.getLogger(__name__)


class StoppingError(Exception):
    """The worker is shutting down."""


class Heartbeat:
    """Renews a lease three times in its duration; checks it more often, to see a cancel soon."""

    def __init__(self, jobs: Jobs, claim: Claim, stopping: threading.Event) -> None:
        self._jobs, self._claim, self._stopping = jobs, claim, stopping
        self._left, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        self._thread.join()

    def raise_if_ended(self) -> None:
        """Raise LeaseLostError if the lease is lost, StoppingError if the worker shuts down."""
        if self._lost.is_set():
            raise LeaseLostError
        if self._stopping.is_set():
            raise StoppingError

    def _run(self) -> None:
        interval = self._jobs.lease_seconds / 3
        renewed = time.monotonic()
        while not self._left.wait(min(LOOK_SECONDS, interval)):
            due = time.monotonic() - renewed >= interval
            try:
                held = (self._jobs.renew if due else self._jobs.is_held)(self._claim)
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", first_line(error))
                continue  # the database may be back before the lease expires
            if not held:
                self._lost.set()
                return
            if due:
                renewed = time.monotonic()
