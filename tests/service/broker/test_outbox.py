import threading
from typing import cast

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from service.broker.celery_app import Broker, BrokerUnavailableError
from service.broker.outbox import Outbox


class HangingBroker:
    """Takes no message before it is told to, and refuses that of `bad`."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.woken: list[tuple[str, object]] = []

    def wake(self, queue: str) -> None:
        assert self.goes_on.wait(30)
        request_id = get_contextvars().get("request_id")
        if request_id == "req_bad":
            raise BrokerUnavailableError("it hung")
        if request_id == "req_odd":
            raise ValueError("nobody expected this")
        self.woken.append((queue, request_id))


def test_nobody_waits_for_a_broker_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    broker = HangingBroker()
    outbox = Outbox(cast("Broker", broker))
    for identity in ("first", "bad", "odd", "last"):
        with bound_contextvars(request_id=f"req_{identity}"):
            outbox.send("plan", identity)
    assert broker.woken == []
    broker.goes_on.set()
    outbox.close()
    assert broker.woken == [("analyze", "req_first"), ("analyze", "req_last")]
    assert "plan bad is left to the reconciler: it hung" in caplog.text
    assert "nobody expected this" in caplog.text


def test_what_comes_too_late_is_left_to_the_reconciler() -> None:
    broker = HangingBroker()
    outbox = Outbox(cast("Broker", broker))
    outbox.close()
    outbox.send("plan", "late")
    assert broker.woken == []
