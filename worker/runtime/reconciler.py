"""Repairs the effects of crashes and lost messages. Every worker runs it; one leader acts.

Each step decides from the rows alone, and is safe to repeat or to run concurrently. See
docs/architecture.md, "Jobs".
"""

import logging
import threading
from contextlib import suppress
from typing import Final

from sqlalchemy import exists, select, update
from sqlalchemy.exc import SQLAlchemyError

from narrows.vocabulary import ACTIVE
from service.broker.celery_app import QUEUES, Broker, BrokerUnavailableError
from service.database.duty import Duty
from service.database.engine import READS_ONLY
from service.logs import first_line
from worker.runtime import leases, spare_worker, waiting_work
from worker.runtime.jobs import Jobs
from worker.runtime.leases import LeaseLostError
from worker.runtime.messages import wake
from worker.runtime.work.job import UNFINISHED, add_event
from worker.runtime.work.table import ALL_WORK, JOB_KINDS

DUTY: Final = "reconcile"
INTERVAL_SECONDS: Final = 1.0
"""Also how long it takes to cancel a job that no worker works on."""
LEADER_SECONDS: Final = 6 * INTERVAL_SECONDS
PATIENCE_SECONDS: Final = 2.0
"""How long work waits before a message for it counts as lost, if there are too few."""

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
        self._wake()

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
                    wake_ups = self._jobs.retry(claim, "Its worker fell silent.")
                except LeaseLostError:
                    continue  # the worker has ended it after all
                log.warning("%s %s: the lease of worker %s expired", work.task, claim.ids, holder)
                wake(self._broker, wake_ups)

    def _fan_in(self) -> None:
        """Move jobs to `reducing` if all their parts have ended, even if the counter differs."""
        reducing = {"state": "reducing", "remaining": 0}
        for kind in JOB_KINDS:
            table, part = kind.table, kind.part
            of_job = kind.refers(part, table.id)
            unfinished = exists(select(part.state).where(of_job, part.state.in_(UNFINISHED)))
            ended = update(table).where(table.state == "running", ~unfinished).values(reducing)
            with self._jobs.engine.begin() as connection:
                for id_ in connection.scalars(ended.returning(table.id)).all():
                    add_event(connection, kind, id_, "reducing")

    def _wake(self) -> None:
        """Send as many messages as there are fewer than pieces of waiting work."""
        reading = self._jobs.engine.execution_options(**READS_ONLY)
        for queue in QUEUES:
            with reading.begin() as connection:
                pieces = waiting_work.count(connection, queue, PATIENCE_SECONDS)
                for owner in spare_worker.owners_to_pass_over(connection, queue, pieces):
                    del pieces[owner]  # nobody could take them now
            waiting = pieces.total()
            try:
                depth = self._broker.depth(queue) if waiting else 0
            except BrokerUnavailableError as error:
                log.warning("the broker does not answer: %s", error)
                return
            # A broker that can't count gets one a round: too many do no harm.
            missing = min(waiting, 1) if depth is None else waiting - depth
            wake(self._broker, [queue] * missing)
