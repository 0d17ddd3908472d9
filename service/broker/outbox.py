"""Sends the messages of committed requests in a thread, so that the requests don't wait.

A broker that hangs takes many seconds to fail. If a message gets lost, the reconciler sends it
again. So callers need no result.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context

from service.broker.celery_app import TASKS, Broker, BrokerUnavailableError

log = logging.getLogger(__name__)


class Outbox:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, "outbox")

    def send(self, task: str, identity: str) -> None:
        """Wake a worker for the work soon; log lines have the id of the caller's request."""
        with suppress(RuntimeError):  # closed, since the service shuts down
            self._thread.submit(copy_context().run, self._send, task, identity)

    def close(self) -> None:
        """Send the remaining messages."""
        self._thread.shutdown()

    def _send(self, task: str, identity: str) -> None:
        try:
            self._broker.wake(TASKS[task])
        except BrokerUnavailableError as error:
            log.warning("%s %s is left to the reconciler: %s", task, identity, error)
        except Exception:  # nobody else would log it
            log.exception("%s %s is left to the reconciler", task, identity)
