"""Hands task names and ids to Celery.

A message may be lost or come twice without harm: the database is the truth.
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
}
"""Each task and the queue it waits in: looking at an upload need not wait behind an analysis."""
PRIORITIES: Final = {"inspect_model": 0, "inspect_dataset": 0, "reduce": 0, "shard": 3, "plan": 6}
"""What goes first in a queue, 0 before all: what has begun is finished before more is begun."""
SHUN_SECONDS: Final = 5.0


class BrokerUnavailableError(Exception):
    """The broker did not take a message, or gave no answer.

    Nothing is lost by it: the row that the message was about waits for the reconciler, which sends
    again. Callers log it and go on.
    """


def make_celery(settings: Settings) -> Celery:
    """Configure Celery so that it survives hang, restart and flush of its broker.

    See docs/architecture.md, "Jobs".
    """
    app = Celery("narrows", broker=settings.resolved_broker_url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_routes={name: {"queue": queue} for name, queue in TASKS.items()},
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
    if scheme in {"redis", "rediss", "sentinel"}:
        return {
            "ack_emulation": False,  # acknowledging after a restart of Redis starves workers
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "retry_on_timeout": False,
        }
    return {}


class Broker:
    """The sending side of the queues."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._shunned_until = 0.0

    def send(self, task: str, *ids: str | int) -> None:
        """Put `task` into its queue; raise BrokerUnavailableError if that fails.

        A broker that hangs takes its time to fail. Then it is left alone for a while, so that not
        every caller waits for it.
        """
        if time.monotonic() < self._shunned_until:
            raise BrokerUnavailableError("it failed a moment ago")
        try:
            with self._reaching():
                self._app.send_task(
                    task,
                    ids,
                    queue=TASKS[task],
                    priority=PRIORITIES[task],
                    ignore_result=True,
                    retry_policy={"max_retries": 1, "interval_start": 0},
                )
        except BrokerUnavailableError:
            self._shunned_until = time.monotonic() + SHUN_SECONDS
            raise

    def depth(self) -> int | None:
        """Count the messages that wait, or return None where the broker can't tell.

        Raises BrokerUnavailableError.
        """
        with self._reaching(), self._app.connection_for_read() as connection:
            channel = connection.default_channel
            if not isinstance(channel, virtual.Channel):
                return None
            queues = sorted(set(TASKS.values()))
            return sum(
                channel.queue_declare(queue).message_count  # type: ignore[no-untyped-call]
                for queue in queues
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
