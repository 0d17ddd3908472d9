"""Sends messages through Celery: each says that there is work in a queue, not which.

A message may get lost or arrive twice without harm: the state of all work is in the database.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery
from kombu.exceptions import KombuError
from kombu.transport import virtual

from service.broker import folder  # noqa: F401 - registers the transport
from service.settings import Settings

TASKS: Final = {
    "inspect_model": "inspect",
    "inspect_dataset": "inspect",
    "plan": "analyze",
    "shard": "analyze",
    "reduce": "analyze",
    "follow_up": "analyze",
    "plan_trial": "analyze",
    "train": "analyze",
    "reduce_trial": "analyze",
}
"""The queue of each task; inspections have their own, so that they never wait behind analyses."""
QUEUES: Final = tuple(sorted(set(TASKS.values())))
WAKE_UP: Final = "work"
"""The name of the only Celery task."""
SHUN_SECONDS: Final = 5.0


class BrokerUnavailableError(Exception):
    """The broker did not take a message, or did not answer.

    No work is lost: its row still waits, and the reconciler sends a message again. Callers log the
    error and go on.
    """


def make_celery(settings: Settings) -> Celery:
    """Return a Celery app that survives a broker that hangs, restarts or loses its messages.

    See docs/architecture.md, "Jobs".
    """
    app = Celery("narrows", broker=settings.resolved_broker_url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,  # unused, and the folder broker has no fanout
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        broker_transport_options=_transport_options(settings),
    )
    return app


def _transport_options(settings: Settings) -> dict[str, Any]:
    scheme = settings.resolved_broker_url.partition(":")[0]
    if scheme == "folder":
        return {"folder": str(settings.data / "broker")}
    if scheme in {"redis", "rediss"}:
        return {
            "ack_emulation": False,  # else workers get no messages after a restart of Redis
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "retry_on_timeout": False,
        }
    return {}


class Broker:
    """Sends messages to the queues."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._shunned_until = 0.0

    def wake(self, queue: str) -> None:
        """Wake a worker of `queue`, which takes a piece of work; raise BrokerUnavailableError.

        A broker that hangs takes seconds to fail. After a failure, further calls fail at once for
        SHUN_SECONDS, so that not every caller waits.
        """
        if time.monotonic() < self._shunned_until:
            raise BrokerUnavailableError("it failed a moment ago")
        try:
            with self._reaching():
                self._app.send_task(
                    WAKE_UP,
                    (queue,),
                    queue=queue,
                    ignore_result=True,
                    retry_policy={"max_retries": 1, "interval_start": 0},
                )
        except BrokerUnavailableError:
            self._shunned_until = time.monotonic() + SHUN_SECONDS
            raise

    def depth(self, *queues: str) -> int | None:
        """Return the number of messages in these queues; None if the broker can't count them.

        Raises BrokerUnavailableError.
        """
        with self._reaching(), self._app.connection_for_read() as connection:
            channel = connection.default_channel
            if not isinstance(channel, virtual.Channel):
                return None
            return sum(
                channel.queue_declare(queue).message_count  # type: ignore[no-untyped-call]
                for queue in queues or QUEUES
            )

    def close(self) -> None:
        self._app.close()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        connection = self._app.pool.connection
        errors = (*connection.connection_errors, *connection.channel_errors, KombuError, OSError)
        try:
            yield
        except errors as error:
            raise BrokerUnavailableError(str(error)) from error
