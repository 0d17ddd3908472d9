"""Messages, sent after the transaction that creates them. The rows of the work are the outbox."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from service.broker.celery_app import Broker, BrokerUnavailableError

Ids = tuple[str | int, ...]

log = logging.getLogger(__name__)


class Message(NamedTuple):
    task: str
    ids: Ids


def send_all(broker: Broker, messages: Iterable[Message]) -> None:
    """Send the messages until the broker fails; the reconciler sends the others again."""
    try:
        for message in messages:
            broker.send(message.task, *message.ids)
    except BrokerUnavailableError as error:
        log.warning("the broker does not answer: %s", error)
