"""The transactions that begin and end claimed work.

Those that end it return the wake-ups to send after the transaction. If the lease is lost,
they raise LeaseLostError and write nothing.
"""

from typing import Any

from sqlalchemy import Engine, update

from narrows.vocabulary import ACTIVE
from service.database.clock import epoch_now
from service.database.jobs import JobKind
from worker.errors import RefusedError
from worker.runtime import leases, scheduling
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import CancelledWorkError, Claim, LeaseLostError, ProblemJson, Work
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.scheduling import Turn
from worker.runtime.task_inputs import TaskInputs
from worker.runtime.work import job


class Jobs:
    """The work in the database, for the worker `holder`."""

    def __init__(
        self, engine: Engine, *, holder: str, lease_seconds: float, max_attempts: int
    ) -> None:
        self.engine = engine
        self.holder = holder
        self.lease_seconds = lease_seconds
        self.max_attempts = max_attempts

    def claim_next(self, queue: str) -> Turn | None:
        """Claim the piece of a queue that is next by fairness; return None if nothing waits."""
        with self.engine.begin() as connection:
            turn = scheduling.claim_next(
                connection, queue, holder=self.holder, seconds=self.lease_seconds
            )
            if turn:
                turn.claim.work.begin(connection, turn.claim.ids)
            return turn

    def settle(self, turn: Turn, seconds: float) -> None:
        """Charge the owner what its piece has really taken."""
        with self.engine.begin() as connection:
            scheduling.settle(connection, turn, seconds)

    def claim(self, work: Work, ids: Ids) -> Claim | None:
        """Claim waiting work; return None if it does not wait, is not wanted or is not ready."""
        with self.engine.begin() as connection:
            claim = leases.claim(
                connection, work, ids, holder=self.holder, seconds=self.lease_seconds
            )
            if claim:
                work.begin(connection, ids)
            return claim

    def renew(self, claim: Claim) -> bool:
        """Renew the lease; return False if it is lost or the work is no longer wanted."""
        with self.engine.begin() as connection:
            return leases.renew(connection, claim, self.lease_seconds)

    def is_held(self, claim: Claim) -> bool:
        """Return what `renew` would return, without writing."""
        with self.engine.begin() as connection:
            return leases.is_held(connection, claim)

    def why_lost(self, claim: Claim) -> LeaseLostError:
        """Return the reason for a lost lease: CancelledWorkError if the work is not wanted."""
        with self.engine.begin() as connection:
            cancelled = claim.work.is_cancelled(connection, claim.ids)
        return CancelledWorkError() if cancelled else LeaseLostError()

    def inputs(self, claim: Claim) -> TaskInputs:
        """Return the inputs of the claimed work; see `Work.load`."""
        with self.engine.begin() as connection:
            return claim.work.load(connection, claim.ids)

    def commit(self, claim: Claim, result: Any, artifacts: Artifacts | None = None) -> WakeUps:
        """Write the pipeline's result of the claimed work, and the files that it built."""
        with self.engine.begin() as connection:
            return claim.work.commit(connection, claim, result, artifacts)

    def fail(self, claim: Claim, problem: ProblemJson) -> WakeUps:
        """End the claimed work, and the job that it is part of, with a problem document."""
        with self.engine.begin() as connection:
            return claim.work.fail(connection, claim, problem)

    def give_back(self, claim: Claim, *, delay: float = 0.0) -> WakeUps:
        """Release the work for others after `delay` seconds; the attempt does not count."""
        return self._put_back(claim, attempt=claim.attempt - 1, delay=delay)

    def retry(self, claim: Claim, happened: str, *, delay: float = 0.0) -> WakeUps:
        """Release the work for others after `delay` seconds; fail it after the last attempt.

        `happened` is a sentence that says what went wrong; it becomes part of the problem document.
        """
        if claim.attempt < self.max_attempts:
            return self._put_back(claim, delay=delay)
        given_up = RefusedError(
            "attempts-exhausted",
            "Given up after several attempts",
            f"All {claim.attempt} attempts failed. The reason of the last one: {happened}",
        )
        return self.fail(claim, given_up.as_problem())

    def _put_back(self, claim: Claim, *, delay: float = 0.0, **values: Any) -> WakeUps:
        work = claim.work
        values["state"] = work.waiting
        if delay:  # else it keeps its place
            values["waits_from"] = epoch_now() + delay
        with self.engine.begin() as connection:
            leases.end(connection, claim, **values)
            work.put_back(connection, claim.ids)
            return leases.wake_ups(connection, work, work.row(claim.ids))

    def cancel(self, kind: JobKind[Any], identity: str | int) -> bool:
        """Cancel the job if that was requested; return whether this call did it."""
        table = kind.table
        asked = table.id == identity, table.cancel_requested, table.state.in_(ACTIVE)
        with self.engine.begin() as connection:
            cancelled = connection.execute(update(table).where(*asked).values(state="cancelled"))
            if cancelled.rowcount:
                job.end(connection, kind, identity, "cancelled")
            return bool(cancelled.rowcount)
