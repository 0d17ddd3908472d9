"""Runs of trials: the training of one variant with one seed, in segments.

A segment ends with a checkpoint, and then the run waits again: work of other kinds goes first, any
worker goes on, and a crash loses no more than a segment.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from service.database.base import utc_now
from service.database.clock import epoch_now
from service.database.trials import TRIALS, Trial, TrialArtifact, TrialEvent, TrialRun
from service.storage.stored import Stored
from worker.runtime import leases
from worker.runtime.artifacts import Artifacts
from worker.runtime.leases import Claim, ProblemJson
from worker.runtime.messages import Ids, WakeUps
from worker.runtime.task_inputs import StoredFile, TaskInputs
from worker.runtime.work.job import JobWork, lock
from worker.runtime.work.parts import part_ended, runs
from worker.runtime.work.reduce_trial import REDUCE_TRIAL
from worker.runtime.work.rows import one_row


class TrainWork(JobWork):
    """Moves a run from `queued` through `leased` to `queued` again, and at last to `done`."""

    task = "train"
    job = TRIALS
    table = TrialRun
    waiting, held = "queued", "leased"
    wanted = runs(TRIALS)
    builds_files = True

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        """The segment is part of it: a message that comes twice does not begin the next one."""
        return (*super().key, TrialRun.segment.expression)

    def begin(self, connection: Connection, ids: Ids) -> None:
        started = func.coalesce(TrialRun.started_at, utc_now())
        connection.execute(update(TrialRun).where(self.row(ids)).values(started_at=started))

    def load(self, connection: Connection, ids: Ids) -> TaskInputs:
        """Return also the variant, the seed and, but for the first segment, the checkpoint."""
        inputs = super().load(connection, ids)
        columns = select(TrialRun.variant, TrialRun.seed, TrialRun.checkpoint)
        run = one_row(connection, columns.where(self.row(ids)))
        planned = one_row(connection, select(Trial.planned).where(Trial.id == ids[0])).planned
        (variant,) = (one for one in planned["variants"] if one["name"] == run.variant)
        checkpoint = run.checkpoint and StoredFile(run.checkpoint)
        return inputs.followed_by(planned["exclude"], variant, run.seed, checkpoint)

    def files(self, result: Any) -> list[str]:
        return [result["file"]] if result["file"] else []

    def commit(
        self, connection: Connection, claim: Claim, result: Any, artifacts: Artifacts | None
    ) -> WakeUps:
        """Write how far it is, with the checkpoint; or its result, with the trained network."""
        lock(connection, self.job, claim.ids[0])
        stored = artifacts.only if artifacts else None
        if artifacts:
            artifacts.hold(connection)
        told = {name: result[name] for name in ("step", "curve", "device")}
        if result["state"] == "running":
            wake_ups = self._go_on(connection, claim, checkpoint=stored and stored.sha256, **told)
        else:
            columns = ("loss", "accuracy", "parameters", "macs", "error")
            ended = told | {name: result[name] for name in columns}
            name = self._add_network(connection, claim.ids, stored) if stored else None
            wake_ups = self._end(connection, claim, result["state"], artifact=name, **ended)
        if artifacts:
            artifacts.keep()
        return wake_ups

    def _go_on(self, connection: Connection, claim: Claim, **values: Any) -> WakeUps:
        """Let the run wait for its next segment, behind other runs; attempts count anew."""
        fresh = {"attempt": 0, "waits_from": epoch_now()}
        next_segment = TrialRun.segment + 1
        leases.end(connection, claim, state="queued", segment=next_segment, **values, **fresh)
        point = values["curve"][-1] if values["curve"] else None
        self._say(connection, claim.ids, "running", step=values["step"], point=point)
        return leases.wake_ups(connection, self, _is(claim.ids))

    def _add_network(self, connection: Connection, ids: Ids, file: Stored) -> str:
        """Insert the row of the trained network; return its name."""
        name = f"run-{ids[1]}.pt2"
        row = {"trial_id": ids[0], "index": ids[1], "name": name}
        stored = {"sha256": file.sha256, "size": file.size}
        connection.execute(insert(TrialArtifact).values(row | stored))
        return name

    def fail(self, connection: Connection, claim: Claim, problem: ProblemJson) -> WakeUps:
        """End the run with a problem; the others go on."""
        lock(connection, self.job, claim.ids[0])
        return self._end(connection, claim, "failed", error=problem)

    def _end(self, connection: Connection, claim: Claim, state: str, **values: Any) -> WakeUps:
        leases.end(connection, claim, state=state, checkpoint=None, finished_at=utc_now(), **values)
        told = {name: values.get(name) for name in ("loss", "accuracy", "error")}
        self._say(connection, claim.ids, state, **told)
        return part_ended(connection, self.job, claim.ids[0], REDUCE_TRIAL)

    def _say(self, connection: Connection, ids: Ids, state: str, **data: Any) -> None:
        """Insert an event about the run."""
        query = select(TrialRun.variant, TrialRun.seed).where(_is(ids))
        run = one_row(connection, query)._asdict()
        told = {"index": ids[1], **run, "state": state, **data}
        event = insert(TrialEvent).values(trial_id=ids[0], kind="run", data=told)
        connection.execute(event)


def _is(ids: Ids) -> ColumnElement[bool]:
    """Return the condition that a row is of this run, whichever segment is next."""
    return and_(TrialRun.trial_id == ids[0], TrialRun.index == ids[1])


TRAIN: Final = TrainWork()
