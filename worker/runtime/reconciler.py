"""Repairs the effects of crashes and lost messages. Every worker runs it; one leader acts.

Each step decides from the rows alone, and is safe to repeat or to run concurrently. See
docs/architecture.md, "Jobs".
"""

import logging
import threading
from contextlib import suppress
from typing import Final

from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from narrows.vocabulary import ACTIVE
from service.broker.celery_app import Broker, BrokerUnavailableError
from service.database.clock import epoch_now
from service.database.duty import Duty
from service.logs import first_line
from worker.runtime import leases
from worker.runtime.jobs import Jobs
from worker.runtime.leases import LeaseLostError, Work
from worker.runtime.messages import send_all
from worker.runtime.work.job import UNFINISHED, add_event
from worker.runtime.work.table import ALL_WORK, JOB_KINDS

DUTY: Final = "reconcile"
INTERVAL_SECONDS: Final = 1.0
"""Also how long it takes to cancel a job that no worker works on."""
LEADER_SECONDS: Final = 6 * INTERVAL_SECONDS
RESEND_SECONDS: Final = 30.0
RESEND_SECONDS_IF_EMPTY: Final = 2.0

log = logging.getLogger(__name__)


class Reconciler:
    def __init__(self, jobs: Jobs, broker: Broker) -> None:
        self._jobs, self._broker = jobs, broker
        self._duty = Duty(jobs.engine, DUTY, LEADER_SECONDS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and release the lead, so that another worker takes it at once."""
        self._stopping.set()
        self._thread.join()
        with suppress(SQLAlchemyError):
            self._duty.release()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_SECONDS):
            try:
                if self._duty.leads():
                    self.reconcile()
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", first_line(error))
            except Exception:  # the next round must come after any error
                log.exception("reconciling failed")

    def reconcile(self) -> None:
        """Run each repair once."""
        self._cancel()
        self._expire()
        self._fan_in()
        self._send()

    def _cancel(self) -> None:
        """Cancel the jobs that clients cancelled, and the parts of those that have ended."""
        for kind in JOB_KINDS:
            table, part = kind.table, kind.part
            active = table.state.in_(ACTIVE)
            requested = select(table.id).where(table.cancel_requested, active)
            with self._jobs.engine.begin() as connection:
                ids = connection.scalars(requested.with_for_update(skip_locked=True)).all()
            for id_ in ids:
                self._jobs.cancel(kind, id_)
            of_active = exists(select(table.id).where(kind.refers(part, table.id), active))
            with self._jobs.engine.begin() as connection:
                connection.execute(
                    update(part)
                    .where(part.state.in_(UNFINISHED), ~of_active)
                    .values(state="cancelled", **leases.FREE)
                )

    def _expire(self) -> None:
        """Release the work of expired leases."""
        for work in ALL_WORK:
            with self._jobs.engine.begin() as connection:
                expired = leases.expired(connection, work)
            for claim, holder in expired:
                try:
                    messages = self._jobs.retry(claim, "Its worker fell silent.")
                except LeaseLostError:
                    continue  # the worker has ended it after all
                log.warning("%s %s: the lease of worker %s expired", work.task, claim.ids, holder)
                send_all(self._broker, messages)

    def _fan_in(self) -> None:
        """Move jobs to `reducing` if all their parts have ended, even if the counter differs."""
        reducing = {"state": "reducing", "remaining": 0, "sent_at": None}
        for kind in JOB_KINDS:
            table, part = kind.table, kind.part
            of_job = kind.refers(part, table.id)
            unfinished = exists(select(part.state).where(of_job, part.state.in_(UNFINISHED)))
            ended = update(table).where(table.state == "running", ~unfinished).values(reducing)
            with self._jobs.engine.begin() as connection:
                for id_ in connection.scalars(ended.returning(table.id)).all():
                    add_event(connection, kind, id_, "reducing")

    def _send(self) -> None:
        """Send messages for waiting work again, unless they are probably still in the queue."""
        try:
            empty = self._broker.depth() == 0
        except BrokerUnavailableError as error:
            log.warning("the broker does not answer: %s", error)
            return
        for work in ALL_WORK:
            with self._jobs.engine.begin() as connection:
                messages = leases.mark_sent(connection, work, _is_due(work, empty=empty))
            send_all(self._broker, messages)


def _is_due(work: Work, *, empty: bool) -> ColumnElement[bool]:
    """Return the condition under which the message of a waiting row counts as lost.

    A message may be in a long queue, so the patience grows with each send. If the broker is empty,
    the message can't be in a queue, so the patience is short.
    """
    table = work.table
    patience = RESEND_SECONDS_IF_EMPTY if empty else RESEND_SECONDS * table.sends
    return or_(table.sent_at.is_(None), table.sent_at < epoch_now() - patience)
