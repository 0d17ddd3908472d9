"""Sends what requests ask for once it is committed, without keeping them waiting.

A broker that hangs takes many seconds to fail, and a message may be lost: its row waits for the
reconciler. So nobody needs to hear how it went.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context

from service.broker.celery_app import Broker, BrokerUnavailableError

log = logging.getLogger(__name__)


class Outbox:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, "outbox")

    def send(self, task: str, identity: str) -> None:
        """Send the message soon, in the order of calls; the log has this context's request id."""
        with suppress(RuntimeError):  # closed: the service is shutting down
            self._thread.submit(copy_context().run, self._send, task, identity)

    def close(self) -> None:
        """Send what is left."""
        self._thread.shutdown()

    def _send(self, task: str, identity: str) -> None:
        try:
            self._broker.send(task, identity)
        except BrokerUnavailableError as error:
            log.warning("%s %s is left to the reconciler: %s", task, identity, error)
        except Exception:  # whatever it is, nobody else would hear of it
            log.exception("%s %s is left to the reconciler", task, identity)
