"""Trials in the database: they wait for their analysis, and each run is computed in segments."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, insert, select, update

from narrows.vocabulary import ENDED
from service.broker.celery_app import Broker
from service.database.base import new_id, utc_now
from service.database.tables import Analysis, File, Plan, Structure
from service.database.trials import TRIALS, Trial, TrialArtifact, TrialEvent, TrialRun
from service.retention.collector import Collector
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.jobs import FakeBroker, MakeAnalysis, claim, make_jobs, plan, read
from worker.errors import RefusedError
from worker.isolation.errors import ChildKilledError
from worker.isolation.scratch import Scratch
from worker.isolation.supervisor import Supervisor
from worker.runtime.jobs import Jobs
from worker.runtime.leases import Claim
from worker.runtime.messages import WakeUps
from worker.runtime.reconciler import Reconciler
from worker.runtime.scheduling import Turn
from worker.runtime.task_inputs import StoredFile
from worker.runtime.tasks import Runner
from worker.runtime.work.plan_trial import PLAN_TRIAL
from worker.runtime.work.reduce import REDUCE
from worker.runtime.work.reduce_trial import REDUCE_TRIAL
from worker.runtime.work.shard import SHARD
from worker.runtime.work.train import TRAIN

RUNS = [{"variant": name, "seed": seed} for seed in (0, 1) for name in ("original", "double")]
PLANNED: dict[str, Any] = {
    "variants": [{"name": "original", "copies": [1, 1]}, {"name": "double", "copies": [1, 2]}],
    "left_out": {}, "put_back": [], "exclude": ["head"],
}  # fmt: skip
PROBLEM = {"type": "urn:narrows:problem:training-failed", "title": "x", "detail": "NaN"}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def segment(
    state: str, file: str | None = None, *, step: int, error: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a segment returns."""
    done = state == "done"
    return {
        "state": state, "file": file, "step": step, "curve": [{"step": step}], "device": "cpu",
        "loss": 0.5 if done else None, "accuracy": None, "parameters": 7 if done else None,
        "macs": 9 if done else None, "error": error,
    }  # fmt: skip


class Desk:
    """A runner on real storage, whose child is a function, and the rows of one trial."""

    def __init__(self, jobs: Jobs, data: Path, analysis: str) -> None:
        self.jobs, self.engine, self.data, self.analysis = jobs, jobs.engine, data, analysis
        self.storage = Storage((data / "files").as_uri())
        self.scratch = Scratch(data / "scratch")
        self.folder = self.scratch.folder
        self.broker = FakeBroker()
        self.trial = new_id("trl")
        with self.engine.begin() as connection:
            columns = Analysis.model_id, Analysis.dataset_id
            row = connection.execute(select(*columns).where(Analysis.id == analysis)).one()
            values = {"owner": "me", "request": {"time_limit_seconds": 99}, "state": "queued"}
            ids = {"id": self.trial, "analysis_id": analysis, **row._asdict()}
            connection.execute(insert(Trial).values(**values, **ids))

    def call(self, *arguments: Any, watch: Callable[[], None], **_: Any) -> Any:
        watch()
        self.arguments = arguments
        return self._act(self.scratch.path / arguments[-1])

    def run(self, *ids: str | int, act: Callable[[Path], Any]) -> None:
        """Do a segment of a run; the child's part is `act`, on its folder."""
        self._act = act
        runner = Runner(
            self.jobs,
            cast("Broker", self.broker),
            self.storage,
            cast("Supervisor", self),
            cache=self.data / "cache",
        )
        if held := self.jobs.claim(TRAIN, (self.trial, *ids)):
            runner.take(Turn(held, "me", charged=1.0))

    def train(self, index: int, part: int, step: int, content: bytes = b"") -> None:
        """Do a segment of a run: write a checkpoint, or the network if there is no content."""

        def act(folder: Path) -> Any:
            name = "run.checkpoint" if content else "run.pt2"
            (folder / name).write_bytes(content or b"network")
            return segment("running" if content else "done", name, step=step)

        self.run(index, part, act=act)

    def states(self) -> list[str]:
        with self.engine.begin() as connection:
            return list(connection.scalars(select(TrialRun.state).order_by(TrialRun.index)))

    @property
    def state(self) -> str:
        (state,) = read(self.engine, Trial.state)
        return str(state)

    def column(self, column: Any, index: int) -> Any:
        (value,) = read(self.engine, column, TrialRun.index == index)
        return value

    def succeed(self) -> None:
        """End the analysis as a reduce does."""
        plan(self.jobs, self.analysis, shards=1)
        self.jobs.commit(claim(self.jobs, SHARD, self.analysis, 0), b"")
        rows: dict[str, Any] = {name: [] for name in ("layers", "structures", "plans")}
        found = {**rows, "summary": {}, "provenance": {}}
        self.wake_ups = self.jobs.commit(claim(self.jobs, REDUCE, self.analysis), found)

    def plan(self) -> WakeUps:
        held = claim(self.jobs, PLAN_TRIAL, self.trial)
        return self.jobs.commit(held, {"runs": RUNS, "steps": 10, "planned": PLANNED})

    def objects(self) -> set[str]:
        files = {path.name for path in (self.data / "files").rglob("*") if path.is_file()}
        return files - {digest(b"upload")}

    def sweep(self) -> None:
        """Reconcile and collect as if a minute had passed."""
        with self.engine.begin() as connection:
            connection.execute(update(File).values(created_at=utc_now() - timedelta(minutes=1)))
        Reconciler(self.jobs, cast("Broker", self.broker)).reconcile()
        Collector(Settings(data=self.data), self.engine, self.storage).collect()


@pytest.fixture
def desk(jobs: Jobs, tmp_path: Path, make_analysis: MakeAnalysis) -> Iterator[Desk]:
    storage = Storage((tmp_path / "files").as_uri())
    stored = storage.put(b"upload")
    storage.keep(stored)
    made = Desk(jobs, tmp_path, make_analysis(sha256=stored.sha256))
    yield made
    made.scratch.close()


@pytest.fixture
def planned(desk: Desk) -> Desk:
    desk.succeed()
    desk.plan()
    return desk


class TestPlan:
    def test_waits_for_the_analysis(self, desk: Desk) -> None:
        assert desk.jobs.claim(PLAN_TRIAL, (desk.trial,)) is None
        desk.succeed()
        assert desk.wake_ups == ["analyze"]
        assert desk.plan() == ["analyze"] * 4
        assert (desk.state, desk.states()) == ("running", ["queued"] * 4)
        assert read(desk.engine, Trial.remaining) == [4]

    def test_gets_the_plans(self, desk: Desk) -> None:
        desk.succeed()
        with desk.engine.begin() as connection:
            of = {"analysis_id": desk.analysis}
            structure = {"group": 0, "channel": 0, "saliency": 0.0, "members": []}
            for index, rank in enumerate((1, 0)):
                row = {**of, "index": index, "rank": rank, **structure}
                connection.execute(insert(Structure).values(row))
            cost: dict[str, Any] = {"layers": [], "parameters": [], "macs": []}
            for index, copies in enumerate(([1, 2], None)):
                row = {**of, "index": index, "name": f"p{index}", "copies": copies, **cost}
                connection.execute(insert(Plan).values(row))
        inputs = desk.jobs.inputs(claim(desk.jobs, PLAN_TRIAL, desk.trial))
        assert inputs.arguments[-3:] == ({}, [1, 0], {"p0": [1, 2], "p1": None})
        assert inputs.deadline is not None

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_without_a_result_of_the_analysis(self, desk: Desk, state: str) -> None:
        with desk.engine.begin() as connection:
            error = {"detail": "The network is too large."} if state == "failed" else None
            connection.execute(update(Analysis).values(state=state, error=error))
        held = claim(desk.jobs, PLAN_TRIAL, desk.trial)
        with pytest.raises(RefusedError, match="too large" if error else "cancelled"):
            desk.jobs.inputs(held)


class TestSegments:
    def test_a_run_goes_on_from_its_checkpoint(self, planned: Desk) -> None:
        planned.train(1, 0, step=4, content=b"first")
        assert planned.arguments[4:-1] == ({}, {"time_limit_seconds": 99}, ["head"],
                                           PLANNED["variants"][1], 0, None)  # fmt: skip
        assert planned.broker.woken == ["analyze"]
        assert planned.states() == ["queued"] * 4
        assert planned.column(TrialRun.step, 1) == 4
        (told,) = read(planned.engine, TrialEvent.data, TrialEvent.kind == "run")
        assert told == {
            "index": 1, "variant": "double", "seed": 0, "state": "running", "step": 4,
            "point": {"step": 4},
        }  # fmt: skip

        planned.train(1, 1, step=8, content=b"second")
        assert Path(planned.arguments[-2]).read_bytes() == b"first"
        assert planned.column(TrialRun.checkpoint, 1) == digest(b"second")

        planned.train(1, 2, step=10)
        assert planned.states() == ["queued", "done", "queued", "queued"]
        assert planned.column(TrialRun.checkpoint, 1) is None
        assert (planned.column(TrialRun.loss, 1), planned.column(TrialRun.artifact, 1)) == (
            0.5, "run-1.pt2",
        )  # fmt: skip
        assert read(planned.engine, TrialArtifact.sha256) == [digest(b"network")]
        assert read(planned.engine, Trial.remaining) == [3]
        assert list(planned.scratch.path.iterdir()) == []

    def test_what_was_replaced_is_swept(self, planned: Desk) -> None:
        for part, content in enumerate((b"first", b"second")):
            planned.train(0, part, step=part, content=content)
        assert planned.objects() == {digest(b"first"), digest(b"second")}
        planned.sweep()
        assert planned.objects() == {digest(b"second")}
        planned.train(0, 2, step=10)
        planned.sweep()
        assert planned.objects() == {digest(b"network")}
        assert set(read(planned.engine, File.sha256)) == {digest(b"network"), digest(b"upload")}

    def test_a_message_that_comes_twice_does_not_begin_the_next_segment(
        self, planned: Desk
    ) -> None:
        planned.train(0, 0, step=4, content=b"first")
        planned.train(0, 0, step=8, content=b"again")
        assert planned.column(TrialRun.segment, 0) == 1
        assert planned.column(TrialRun.checkpoint, 0) == digest(b"first")

    def test_a_lost_lease_leaves_the_last_checkpoint(self, planned: Desk) -> None:
        planned.train(0, 0, step=4, content=b"first")

        def lose(folder: Path) -> Any:
            (folder / "run.checkpoint").write_bytes(b"late")
            with planned.engine.begin() as connection:
                connection.execute(update(TrialRun).values(token="another"))
            return segment("running", "run.checkpoint", step=8)

        planned.run(0, 1, act=lose)
        assert planned.column(TrialRun.checkpoint, 0) == digest(b"first")
        assert planned.objects() == {digest(b"first")}

    def test_a_silent_worker_costs_an_attempt_and_not_the_checkpoint(self, planned: Desk) -> None:
        planned.train(0, 0, step=4, content=b"first")
        claim(planned.jobs, TRAIN, planned.trial, 0, 1)
        with planned.engine.begin() as connection:
            connection.execute(update(TrialRun).values(lease_until=0.0))
        planned.broker.woken.clear()
        planned.sweep()
        assert "analyze" in planned.broker.woken
        inputs = planned.jobs.inputs(claim(planned.jobs, TRAIN, planned.trial, 0, 1))
        assert inputs.arguments[-1] == StoredFile(digest(b"first"))
        assert planned.column(TrialRun.attempt, 0) == 2
        planned.jobs.give_back(claim_of(planned, 0))
        planned.train(0, 1, step=8, content=b"second")
        assert planned.column(TrialRun.attempt, 0) == 0

    def test_a_killed_child_is_tried_again_to_the_last_attempt(self, planned: Desk) -> None:
        def die(_: Path) -> Any:
            raise ChildKilledError("It was killed.")

        for _ in range(planned.jobs.max_attempts):
            planned.run(0, 0, act=die)
        assert planned.states() == ["failed", "queued", "queued", "queued"]
        assert "It was killed." in planned.column(TrialRun.error, 0)["detail"]
        assert planned.state == "running"


def claim_of(desk: Desk, index: int) -> Claim:
    """Return the claim by which a run is held."""
    ids = (desk.trial, index, desk.column(TrialRun.segment, index))
    return Claim(TRAIN, ids, desk.column(TrialRun.token, index), 2)


class TestEnd:
    def test_a_run_without_a_result_ends_alone(self, planned: Desk) -> None:
        planned.run(0, 0, act=lambda _: segment("failed", step=3, error=PROBLEM))
        assert planned.column(TrialRun.error, 0) == PROBLEM
        assert planned.column(TrialRun.curve, 0) == [{"step": 3}]
        assert (planned.state, planned.states()[1:]) == ("running", ["queued"] * 3)

    def test_the_last_run_starts_the_reduce(self, planned: Desk) -> None:
        planned.run(0, 0, act=lambda _: segment("failed", step=3, error=PROBLEM))
        for index in (1, 2, 3):
            planned.train(index, 0, step=10)
        assert planned.state == "reducing"
        assert planned.broker.woken[-1] == "analyze"
        held = claim(planned.jobs, REDUCE_TRIAL, planned.trial)
        *_, said, runs = planned.jobs.inputs(held).arguments
        assert said == PLANNED
        assert [run["loss"] for run in runs] == [None, 0.5, 0.5, 0.5]
        assert runs[0]["error"] == PROBLEM
        planned.jobs.commit(held, {"summary": {"a": 1}, "provenance": {"b": 2}})
        assert planned.state == "succeeded"
        assert read(planned.engine, Trial.summary) == [{"a": 1}]
        told = read(planned.engine, TrialEvent.data, TrialEvent.kind == "run")
        assert [event["state"] for event in told] == ["failed", "done", "done", "done"]
        of_first = {"index": 0, "variant": "original", "seed": 0, "state": "failed"}
        assert told[0] == of_first | {"loss": None, "accuracy": None, "error": PROBLEM}
        events = read(planned.engine, TrialEvent.data, TrialEvent.kind == "state")
        assert [event["state"] for event in events if event["state"] in ENDED] == ["succeeded"]

    def test_a_lost_message_of_the_last_run(self, planned: Desk) -> None:
        with planned.engine.begin() as connection:
            connection.execute(update(TrialRun).values(state="done"))
        planned.sweep()
        assert planned.state == "reducing"

    def test_no_run_has_a_result(self, planned: Desk) -> None:
        for index in range(4):
            planned.run(index, 0, act=lambda _: segment("failed", step=3, error=PROBLEM))
        held = claim(planned.jobs, REDUCE_TRIAL, planned.trial)
        planned.jobs.fail(held, {"detail": "All 4 runs failed."})
        assert planned.state == "failed"
        assert planned.states() == ["failed"] * 4

    def test_out_of_time(self, planned: Desk) -> None:
        with planned.engine.begin() as connection:
            long_ago = utc_now() - timedelta(seconds=100)
            connection.execute(update(Trial).values(started_at=long_ago))
        planned.train(0, 0, step=4, content=b"never")
        assert planned.column(TrialRun.error, 0)["type"] == "urn:narrows:problem:time-limit"
        assert (planned.state, planned.states()[1:]) == ("running", ["queued"] * 3)
        with planned.engine.begin() as connection:
            connection.execute(update(TrialRun).values(state="done"))
            connection.execute(update(Trial).values(state="reducing"))
        held = claim(planned.jobs, REDUCE_TRIAL, planned.trial)
        assert planned.jobs.inputs(held).deadline is None  # what was found in time is reported


class TestCancel:
    def test_while_a_run_waits_for_its_next_segment(self, planned: Desk) -> None:
        planned.train(0, 0, step=4, content=b"first")
        with planned.engine.begin() as connection:
            connection.execute(update(Trial).values(cancel_requested=True))
        assert planned.jobs.claim(TRAIN, (planned.trial, 0, 1)) is None
        planned.sweep()
        assert (planned.state, planned.states()) == ("cancelled", ["cancelled"] * 4)
        planned.sweep()
        assert planned.objects() == set()

    def test_during_a_segment(self, planned: Desk, engine: Engine) -> None:
        def cancel(folder: Path) -> Any:
            with engine.begin() as connection:
                connection.execute(update(Trial).values(cancel_requested=True))
            (folder / "run.checkpoint").write_bytes(b"late")
            return segment("running", "run.checkpoint", step=4)

        planned.run(0, 0, act=cancel)
        assert (planned.state, planned.states()) == ("cancelled", ["cancelled"] * 4)
        assert planned.objects() == set()

    def test_leaves_what_is_done(self, planned: Desk) -> None:
        planned.train(0, 0, step=10)
        with planned.engine.begin() as connection:
            connection.execute(update(Trial).values(cancel_requested=True))
        assert make_jobs(planned.engine).cancel(TRIALS, planned.trial)
        assert planned.states() == ["done", "cancelled", "cancelled", "cancelled"]
        assert read(planned.engine, TrialArtifact.name) == ["run-0.pt2"]
