"""Counts and logs work, by how it ended."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from worker.errors import ExplainedError
from worker.runtime.heartbeat import StoppingError
from worker.runtime.leases import CancelledWorkError, Claim, LeaseLostError
from worker.runtime.metrics import RETRIES, WORK

log = logging.getLogger(__name__)


@contextmanager
def timed(claim: Claim) -> Iterator[None]:
    """Measure the time of the claimed work in the context; errors are counted and passed on."""
    task, begun, ended = claim.work.task, time.monotonic(), "done"
    if claim.attempt > 1:
        RETRIES.labels(task).inc()
    try:
        yield
    except BaseException as error:
        ended = _ended(error)
        raise
    finally:
        seconds = time.monotonic() - begun
        WORK.labels(task, ended).observe(seconds)
        log.info("%s %s", task, ended, extra={"seconds": round(seconds, 6)})


def _ended(error: BaseException) -> str:
    if isinstance(error, CancelledWorkError):
        return "cancelled"
    if isinstance(error, LeaseLostError):
        return "lost"
    if isinstance(error, StoppingError):
        return "returned"
    return "failed" if isinstance(error, ExplainedError) else "error"
