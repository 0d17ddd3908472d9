"""Messages, sent after the transaction that creates them. The rows of the work are the outbox."""

import logging
from collections.abc import Iterable

from service.broker.celery_app import Broker, BrokerUnavailableError

Ids = tuple[str | int, ...]
WakeUps = list[str]
"""Names of queues: a message is sent for each, so that a worker looks for work there."""

log = logging.getLogger(__name__)


def wake(broker: Broker, wake_ups: Iterable[str]) -> None:
    """Send the messages until the broker fails; the reconciler sends the others again."""
    try:
        for queue in wake_ups:
            broker.wake(queue)
    except BrokerUnavailableError as error:
        log.warning("the broker does not answer: %s", error)
