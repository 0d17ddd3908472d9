import threading
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, update

from service.database.tables import Analysis, Lease, Shard
from tests.support.jobs import (
    FakeBroker,
    MakeAnalysis,
    ask_to_cancel,
    claim,
    history,
    plan,
    read,
    shard_states,
    state_of,
)
from worker.runtime.jobs import Jobs
from worker.runtime.reconciler import Reconciler
from worker.runtime.work.plan import PLAN
from worker.runtime.work.reduce import REDUCE
from worker.runtime.work.shard import SHARD


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def make_reconciler(jobs: Jobs, broker: Any) -> Reconciler:
    return Reconciler(jobs, broker)


@pytest.fixture
def reconciler(jobs: Jobs, broker: FakeBroker) -> Reconciler:
    return make_reconciler(jobs, broker)


def age(engine: Engine, table: type[Analysis | Shard], seconds: float) -> None:
    """Let `seconds` go by for all rows of `table`."""
    with engine.begin() as connection:
        times = {"sent_at": table.sent_at - seconds, "lease_until": table.lease_until - seconds}
        connection.execute(update(table).values(times))


class TestLead:
    def test_one_at_a_time(self, jobs: Jobs, broker: FakeBroker) -> None:
        one, other = make_reconciler(jobs, broker), make_reconciler(jobs, broker)
        assert one._duty.leads()
        assert not other._duty.leads()
        assert one._duty.leads()

    def test_passes_on_when_the_leader_falls_silent(
        self, engine: Engine, jobs: Jobs, broker: FakeBroker
    ) -> None:
        one, other = make_reconciler(jobs, broker), make_reconciler(jobs, broker)
        assert one._duty.leads()
        with engine.begin() as connection:
            connection.execute(update(Lease).values(lease_until=Lease.lease_until - 60))
        assert other._duty.leads()
        assert not one._duty.leads()

    def test_passes_on_at_once_when_the_leader_stops(self, jobs: Jobs, broker: FakeBroker) -> None:
        one, other = make_reconciler(jobs, broker), make_reconciler(jobs, broker)
        assert one._duty.leads()
        one.start()
        one.stop()
        assert other._duty.leads()


class TestSend:
    def test_what_was_never_sent(
        self, broker: FakeBroker, reconciler: Reconciler, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        reconciler.reconcile()
        assert broker.sent == [("plan", analysis)]

    def test_with_backoff(
        self,
        engine: Engine,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        make_analysis()
        for seconds, sends in [(0, 1), (29, 1), (2, 2), (31, 2), (30, 3)]:
            age(engine, Analysis, seconds)
            reconciler.reconcile()
            assert len(broker.sent) == sends

    def test_everything_when_the_broker_is_empty(
        self,
        engine: Engine,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=2)
        broker.waiting = 0
        age(engine, Shard, 1)
        reconciler.reconcile()
        assert broker.sent == []  # they may be on their way
        age(engine, Shard, 2)
        reconciler.reconcile()
        assert broker.sent == [("shard", analysis, 0), ("shard", analysis, 1)]

    def test_not_what_is_held_or_done_or_not_ready(
        self,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=2)
        jobs.commit(claim(jobs, SHARD, analysis, 0), b"")
        claim(jobs, SHARD, analysis, 1)
        waiting_for_inspection = make_analysis(inputs="inspecting")
        reconciler.reconcile()
        assert {task for task, *_ in broker.sent} == {"inspect_model", "inspect_dataset"}
        assert ("plan", waiting_for_inspection) not in broker.sent

    def test_survives_a_broker_that_is_gone(
        self,
        engine: Engine,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        broker.reachable = False
        reconciler.reconcile()
        broker.reachable = True
        age(engine, Analysis, 60)
        reconciler.reconcile()
        assert broker.sent == [("plan", analysis)]


class TestExpire:
    def test_silent_work_waits_again_and_is_sent_at_once(
        self,
        engine: Engine,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        claim(jobs, PLAN, analysis)
        reconciler.reconcile()
        assert state_of(engine, analysis) == "planning"
        age(engine, Analysis, 61)
        reconciler.reconcile()
        assert history(engine, analysis) == ["planning", "queued"]
        assert broker.sent == [("plan", analysis)]

    def test_until_the_attempts_are_used_up(
        self,
        engine: Engine,
        jobs: Jobs,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=2)
        for _ in range(3):
            claim(jobs, SHARD, analysis, 0)
            age(engine, Shard, 61)
            reconciler.reconcile()
        assert state_of(engine, analysis) == "failed"
        assert shard_states(engine, analysis) == ["failed", "cancelled"]
        (error,) = read(engine, Analysis.error)
        assert "Its worker fell silent" in error["detail"]

    def test_a_reduce(
        self,
        engine: Engine,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=1)
        jobs.commit(claim(jobs, SHARD, analysis, 0), b"")
        claim(jobs, REDUCE, analysis)
        age(engine, Analysis, 61)
        reconciler.reconcile()
        assert broker.sent == [("reduce", analysis)]
        assert claim(jobs, REDUCE, analysis).attempt == 2


class TestCancel:
    @pytest.mark.parametrize("state", ["queued", "planning", "running", "reducing"])
    def test_ends_what_nobody_holds(
        self,
        engine: Engine,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
        state: str,
    ) -> None:
        analysis = make_analysis()
        if state in {"running", "reducing"}:
            plan(jobs, analysis, shards=2)
        with engine.begin() as connection:
            connection.execute(update(Analysis).values(state=state))
        ask_to_cancel(engine, analysis)
        reconciler.reconcile()
        assert state_of(engine, analysis) == "cancelled"
        assert set(shard_states(engine, analysis)) <= {"cancelled"}
        assert history(engine, analysis)[-1] == "cancelled"
        assert broker.sent == []

    def test_an_expired_shard_is_not_queued_again(
        self,
        engine: Engine,
        jobs: Jobs,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=2)
        claim(jobs, SHARD, analysis, 0)
        age(engine, Shard, 61)
        ask_to_cancel(engine, analysis)
        reconciler.reconcile()
        assert shard_states(engine, analysis) == ["cancelled", "cancelled"]

    def test_shards_that_outlived_their_analysis(
        self,
        engine: Engine,
        jobs: Jobs,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=2)
        with engine.begin() as connection:
            connection.execute(update(Analysis).values(state="cancelled"))
        reconciler.reconcile()
        assert shard_states(engine, analysis) == ["cancelled", "cancelled"]


def test_fan_in_is_derived_from_the_shards(
    engine: Engine,
    jobs: Jobs,
    broker: FakeBroker,
    reconciler: Reconciler,
    make_analysis: MakeAnalysis,
) -> None:
    analysis = make_analysis()
    plan(jobs, analysis, shards=2)
    jobs.commit(claim(jobs, SHARD, analysis, 0), b"")
    reconciler.reconcile()
    assert state_of(engine, analysis) == "running"
    with engine.begin() as connection:
        connection.execute(delete(Shard).where(Shard.index == 1))
    reconciler.reconcile()
    assert state_of(engine, analysis) == "reducing"
    assert broker.sent == [("reduce", analysis)]


@pytest.mark.parametrize("cancelled", [False, True])
def test_it_waits_for_nobody_who_is_settling_work(
    engine: Engine,
    jobs: Jobs,
    reconciler: Reconciler,
    make_analysis: MakeAnalysis,
    cancelled: bool,
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    analysis = make_analysis()
    claim(jobs, PLAN, analysis)
    age(engine, Analysis, 600)
    if cancelled:
        ask_to_cancel(engine, analysis)
    with engine.begin() as settling:
        settling.execute(select(Analysis.id).with_for_update())
        thread = threading.Thread(target=reconciler.reconcile)
        thread.start()
        thread.join(30)
        waited = thread.is_alive()
    thread.join()
    assert not waited
    assert state_of(engine, analysis) == "planning"
    reconciler.reconcile()
    assert state_of(engine, analysis) == ("cancelled" if cancelled else "queued")
