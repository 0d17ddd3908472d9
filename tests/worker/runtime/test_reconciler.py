import threading
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, update

from service.database.tables import Analysis, Dataset, Lease, Model, Shard
from tests.support.jobs import (
    FakeBroker,
    MakeAnalysis,
    ask_to_cancel,
    claim,
    history,
    let_pass,
    plan,
    read,
    shard_states,
    state_of,
)
from worker.runtime.jobs import Jobs
from worker.runtime.reconciler import PATIENCE_SECONDS, Reconciler
from worker.runtime.registration import Registration
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


class TestRing:
    def test_as_often_as_messages_are_missing(
        self,
        engine: Engine,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        plan(jobs, make_analysis(), shards=3)
        make_analysis()
        reconciler.reconcile()
        assert broker.woken == []  # they may be on their way
        for table in (Analysis, Shard):
            let_pass(engine, table, PATIENCE_SECONDS)
        for waiting, missing in [(4, 0), (3, 1), (0, 4), (9, 0), (None, 1)]:
            broker.waiting = waiting
            broker.woken.clear()
            reconciler.reconcile()
            assert broker.woken == ["analyze"] * missing

    def test_not_for_what_is_held_or_done_or_not_ready(
        self,
        engine: Engine,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=2)
        jobs.commit(claim(jobs, SHARD, analysis, 0), b"")
        claim(jobs, SHARD, analysis, 1)
        make_analysis(inputs="inspecting")
        for table in (Analysis, Shard, Model, Dataset):
            let_pass(engine, table, PATIENCE_SECONDS)
        reconciler.reconcile()
        assert broker.woken == ["inspect"] * 2

    def test_not_for_what_would_take_the_last_worker(
        self,
        engine: Engine,
        jobs: Jobs,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        for name in ("a", "b"):
            Registration(engine, name=name, queues="inspect", seconds=60.0).renew()
        for owner in ("ann", "bob"):
            make_analysis(owner=owner, inputs="inspecting")
        for table in (Model, Dataset):
            let_pass(engine, table, PATIENCE_SECONDS)
        held = jobs.claim_next("inspect")
        assert held is not None
        reconciler.reconcile()
        assert broker.woken == ["inspect"] * 2  # for the other owner
        jobs.commit(held.claim, {})
        reconciler.reconcile()
        assert broker.woken == ["inspect"] * 3

    def test_survives_a_broker_that_is_gone(
        self,
        engine: Engine,
        broker: FakeBroker,
        reconciler: Reconciler,
        make_analysis: MakeAnalysis,
    ) -> None:
        make_analysis()
        let_pass(engine, Analysis, PATIENCE_SECONDS)
        broker.reachable = False
        reconciler.reconcile()
        broker.reachable = True
        reconciler.reconcile()
        assert broker.woken == ["analyze"]


class TestExpire:
    def test_silent_work_waits_again_and_is_rung_for_at_once(
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
        let_pass(engine, Analysis, 61)
        reconciler.reconcile()
        assert history(engine, analysis) == ["planning", "queued"]
        assert broker.woken == ["analyze"]

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
            let_pass(engine, Shard, 61)
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
        let_pass(engine, Analysis, 61)
        reconciler.reconcile()
        assert broker.woken == ["analyze"]
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
        assert broker.woken == []

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
        let_pass(engine, Shard, 61)
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
    let_pass(engine, Analysis, PATIENCE_SECONDS)
    reconciler.reconcile()
    assert state_of(engine, analysis) == "reducing"
    assert broker.woken == ["analyze"]


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
    let_pass(engine, Analysis, 600)
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
