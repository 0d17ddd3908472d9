"""Hands task names and ids to Celery. A message may be lost or come twice: the database is the truth."""

import logging
from typing import Final

from celery import Celery
from kombu.exceptions import OperationalError

from service.settings import Settings

TASKS: Final = {
    "inspect_model": "inspect",
    "inspect_dataset": "inspect",
    "plan": "analyze",
    "shard": "analyze",
    "reduce": "analyze",
}
"""Each task and the queue it waits in: looking at an upload need not wait behind an analysis."""

log = logging.getLogger(__name__)


def make_celery(settings: Settings) -> Celery:
    """Configure Celery so that it survives hang, restart and flush of its broker (DESIGN §3)."""
    app = Celery("narrows", broker=settings.resolved_broker_url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_routes={name: {"queue": queue} for name, queue in TASKS.items()},
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options=_transport_options(settings),
    )
    return app
