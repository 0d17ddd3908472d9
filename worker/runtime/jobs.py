"""The transactions that begin and end claimed work.

Those that end it return the messages to send once they are through, and raise LeaseLostError,
having written nothing, when the work is no longer the worker's own.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, case, func, insert, or_, select, update

from narrows.vocabulary import ACTIVE
from service.database.clock import epoch_now
from service.database.tables import Analysis, Base, Event, Layer, Plan, Shard, Structure, utc_now
from worker.errors import Refused
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import INSPECT_DATASET, INSPECT_MODEL, PLAN, REDUCE, SHARD, Claim, Work
from worker.runtime.messages import Ids, Message
from worker.runtime.metrics import count_analysis
from worker.runtime.task_inputs import Inputs, load_inputs

RESULTS: Final[dict[str, type[Base]]] = {"layers": Layer, "structures": Structure, "plans": Plan}


class Jobs:
    """The work in the database, as the worker `holder` sees it."""

    def __init__(
        self, engine: Engine, *, holder: str, lease_seconds: float, max_attempts: int
    ) -> None:
        self.engine = engine
        self.holder = holder
        self.lease_seconds = lease_seconds
        self.max_attempts = max_attempts

    def claim(self, work: Work, ids: Ids) -> Claim | None:
        """Take work that waits; return None where there is nothing to do, or not yet."""
        with self.engine.begin() as connection:
            claim = leases.claim(
                connection, work, ids, holder=self.holder, seconds=self.lease_seconds
            )
            if claim and work is PLAN:
                started = func.coalesce(Analysis.started_at, utc_now())
                connection.execute(update(Analysis).where(work.row(ids)).values(started_at=started))
                tell(connection, claim.ids[0], "planning")
            return claim

    def beat(self, claim: Claim) -> bool:
        """Lengthen the lease; return False when it is lost or nobody wants the work any more."""
        with self.engine.begin() as connection:
            return leases.beat(connection, claim, self.lease_seconds)

    def holds(self, claim: Claim) -> bool:
        """Return whether a beat would find its lease, at the price of a look."""
        with self.engine.begin() as connection:
            return leases.holds(connection, claim)

    def inputs(self, claim: Claim) -> Inputs:
        with self.engine.begin() as connection:
            return load_inputs(connection, claim)

    def commit(
        self, claim: Claim, result: Any, artifacts: Artifacts | None = None
    ) -> list[Message]:
        """Write what the pipeline returned for the claimed work, and what files it built."""
        with self.engine.begin() as connection:
            if claim.work is PLAN:
                return _commit_plan(connection, claim, result)
            if claim.work is SHARD:
                return _commit_shard(connection, claim, result)
            if claim.work is REDUCE:
                return _commit_reduce(connection, claim, result, artifacts)
            return _end_inspection(connection, claim, state="ready", inspection=result)

    def fail(self, claim: Claim, problem: dict[str, Any]) -> list[Message]:
        """End the claimed work, and the analysis that it is part of, with a problem document."""
        with self.engine.begin() as connection:
            if claim.work in (INSPECT_MODEL, INSPECT_DATASET):
                return _end_inspection(connection, claim, state="rejected", error=problem)
            _lock_analysis(connection, claim)
            leases.settle(connection, claim, state="failed", error=problem)
            _end_analysis(connection, claim.ids[0], "failed", error=problem)
            return []

    def give_back(self, claim: Claim, *, delay: float = 0.0) -> list[Message]:
        """Let another worker have the work after `delay` seconds, as if it had never been taken."""
        return self._back_to_waiting(claim, attempt=claim.attempt - 1, delay=delay)

    def retry(self, claim: Claim, happened: str, *, delay: float = 0.0) -> list[Message]:
        """Put the work back, to be sent again after `delay` seconds, or give it up for good.

        `happened` is a sentence that says what went wrong: the last word after the last attempt.
        """
        if claim.attempt < self.max_attempts:
            return self._back_to_waiting(claim, delay=delay)
        given_up = Refused(
            "attempts-exhausted",
            "Given up after several attempts",
            f"All {claim.attempt} attempts failed, the last one like this: {happened}",
        )
        return self.fail(claim, given_up.as_problem())

    def _back_to_waiting(self, claim: Claim, *, delay: float = 0.0, **values: Any) -> list[Message]:
        values |= {"state": claim.work.waiting, "sent_at": epoch_now() + delay}
        with self.engine.begin() as connection:
            leases.settle(connection, claim, **values)
            if claim.work is PLAN:
                tell(connection, claim.ids[0], "queued")
            return [] if delay else leases.post(connection, claim.work, claim.work.row(claim.ids))

    def cancel(self, analysis_id: str | int) -> bool:
        """End the analysis if that was asked for; return whether it was this call that did."""
        with self.engine.begin() as connection:
            cancelled = connection.execute(
                update(Analysis)
                .where(
                    Analysis.id == analysis_id,
                    Analysis.cancel_requested,
                    Analysis.state.in_(ACTIVE),
                )
                .values(state="cancelled")
            )
            if cancelled.rowcount:
                _end_analysis(connection, analysis_id, "cancelled")
            return bool(cancelled.rowcount)


def _end_inspection(connection: Connection, claim: Claim, **values: Any) -> list[Message]:
    """Settle an upload; the analyses that waited for it can be planned now, or fail."""
    leases.settle(connection, claim, **values)
    upload = claim.ids[0]
    return leases.post(
        connection, PLAN, or_(Analysis.model_id == upload, Analysis.dataset_id == upload)
    )


def _commit_plan(
    connection: Connection, claim: Claim, ranges: list[tuple[int, int]]
) -> list[Message]:
    (analysis_id,) = claim.ids
    # The attempts and sends of a plan say nothing about the reduce to come.
    fresh = {"attempt": 0, "sends": 0, "sent_at": None}
    counts = {"shards": len(ranges), "remaining": len(ranges)}
    leases.settle(connection, claim, state="running", **counts, **fresh)
    tell(connection, analysis_id, "running")
    rows = [
        {"analysis_id": analysis_id, "index": i, "start": start, "stop": stop, "state": "queued"}
        for i, (start, stop) in enumerate(ranges)
    ]
    if rows:  # else nothing is left to do but the reduce, which the reconciler finds
        connection.execute(insert(Shard), rows)
    return leases.post(connection, SHARD, Shard.analysis_id == analysis_id)


def _commit_shard(connection: Connection, claim: Claim, result: bytes) -> list[Message]:
    _lock_analysis(connection, claim)
    leases.settle(connection, claim, state="done", result=result)
    this = Analysis.id == claim.ids[0]
    last = case((Analysis.remaining == 1, "reducing"), else_=Analysis.state)
    connection.execute(
        update(Analysis).where(this).values(remaining=Analysis.remaining - 1, state=last)
    )
    messages = leases.post(connection, REDUCE, this)
    if messages:
        tell(connection, claim.ids[0], "reducing")
    return messages


def _commit_reduce(
    connection: Connection, claim: Claim, result: dict[str, Any], artifacts: Artifacts | None
) -> list[Message]:
    (analysis_id,) = claim.ids
    leases.settle(connection, claim)
    for name, table in RESULTS.items():
        rows = [{"analysis_id": analysis_id, "index": i, **r} for i, r in enumerate(result[name])]
        if rows:
            connection.execute(insert(table), rows)
    summary, provenance = result["summary"], result["provenance"]
    _end_analysis(connection, analysis_id, "succeeded", summary=summary, provenance=provenance)
    if artifacts:
        artifacts.add(connection, analysis_id)
    return []


def _lock_analysis(connection: Connection, claim: Claim) -> None:
    """Lock the analysis before its shards, as whoever ends it does: one order, no deadlock."""
    connection.execute(select(Analysis.id).where(Analysis.id == claim.ids[0]).with_for_update())


def _end_analysis(
    connection: Connection, analysis_id: str | int, state: str, **values: Any
) -> None:
    """Write the last state of a locked analysis; its shards end with it."""
    connection.execute(
        update(Analysis)
        .where(Analysis.id == analysis_id)
        .values(state=state, finished_at=utc_now(), **leases.FREE, **values)
    )
    unfinished = Shard.state.in_(("queued", "leased"))
    connection.execute(
        update(Shard)
        .where(Shard.analysis_id == analysis_id)
        .values(
            state=case((unfinished, "cancelled"), else_=Shard.state), result=None, **leases.FREE
        )
    )
    tell(connection, analysis_id, state, values.get("error"))
    count_analysis(_history(connection, analysis_id))


def _history(connection: Connection, analysis_id: str | int) -> list[tuple[str, datetime]]:
    """Return the states that an analysis was in, from the first on, and since when."""
    events = select(Event.data, Event.at).where(
        Event.analysis_id == analysis_id, Event.kind.in_(("created", "state"))
    )
    rows = connection.execute(events.order_by(Event.id))
    return [(data["state"], at) for data, at in rows]


def tell(
    connection: Connection, analysis_id: str | int, state: str, error: dict[str, Any] | None = None
) -> None:
    """Add to the history that the API streams."""
    data = {"state": state, "error": error} if error else {"state": state}
    connection.execute(insert(Event).values(analysis_id=analysis_id, kind="state", data=data))
