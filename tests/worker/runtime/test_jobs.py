import threading
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from service.database.tables import (
    ANALYSES,
    Analysis,
    Dataset,
    Event,
    Layer,
    Model,
    Shard,
    Structure,
)
from service.database.tables import Plan as PlanRow
from tests.support.jobs import (
    MakeAnalysis,
    ask_to_cancel,
    claim,
    history,
    let_pass,
    make_jobs,
    plan,
    planned,
    read,
    shard_states,
    state_of,
)
from worker.errors import RefusedError
from worker.runtime.jobs import Jobs
from worker.runtime.leases import LeaseLostError, Work
from worker.runtime.messages import Ids
from worker.runtime.work.inspection import INSPECT_DATASET, INSPECT_MODEL
from worker.runtime.work.plan import PLAN
from worker.runtime.work.reduce import REDUCE
from worker.runtime.work.shard import SHARD

RESULT: dict[str, Any] = {
    "layers": [],
    "structures": [],
    "plans": [],
    "summary": {"loss": 0.5},
    "provenance": {"seed": 1},
}
PROBLEM = {"type": "urn:narrows:problem:odd", "title": "Odd", "detail": "It is odd."}


class TestTheWholeWay:
    def test_from_queued_to_succeeded(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis(request={"method": "sosp_h"})

        wake_ups = plan(jobs, analysis, shards=2)
        assert wake_ups == ["analyze"] * 2

        first = claim(jobs, SHARD, analysis, 1)
        assert jobs.inputs(first).arguments[2:] == ({}, {"method": "sosp_h"}, 1, 2)
        assert jobs.commit(first, b"one") == []
        last = claim(jobs, SHARD, analysis, 0)
        assert jobs.commit(last, b"zero") == ["analyze"]

        reduce = claim(jobs, REDUCE, analysis)
        assert jobs.inputs(reduce).arguments[-1] == [b"zero", b"one"]
        layer = {
            "name": "conv", "op": "conv2d", "width": 6, "parameters": 60, "macs": 600,
            "verdict": "bottleneck", "sweep": [],
        }  # fmt: skip
        structure = {
            "group": 0, "channel": 1, "saliency": 0.5, "first_order": 0.2,
            "second_order": 0.3, "rank": 0, "members": [["conv", 1]],
        }  # fmt: skip
        widened = {"name": "double", "layers": [], "parameters": [1, 2], "macs": [1, 2]}
        found = {"layers": [layer, layer], "structures": [structure], "plans": [widened]}
        assert jobs.commit(reduce, RESULT | found) == []

        assert state_of(engine, analysis) == "succeeded"
        assert history(engine, analysis) == ["planning", "running", "reducing", "succeeded"]
        assert read(engine, Analysis.summary) == [{"loss": 0.5}]
        assert read(engine, Analysis.remaining) == [0]
        assert None not in read(engine, Analysis.finished_at) + read(engine, Analysis.started_at)
        assert read(engine, Shard.result) == [None, None]
        assert sorted(read(engine, Layer.index)) == [0, 1]
        assert read(engine, Structure.members) == [[["conv", 1]]]
        assert read(engine, PlanRow.name) == ["double"]

    def test_inspection_opens_the_way_for_the_plan(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis(inputs="inspecting")
        (model,), (dataset,) = read(engine, Model.id), read(engine, Dataset.id)
        assert jobs.claim(PLAN, (analysis,)) is None

        assert jobs.commit(claim(jobs, INSPECT_MODEL, model), {"layers": 3}) == []
        assert jobs.claim(PLAN, (analysis,)) is None
        wake_ups = jobs.commit(claim(jobs, INSPECT_DATASET, dataset), {})

        assert wake_ups == ["analyze"]
        assert read(engine, Model.state) == ["ready"]
        assert read(engine, Model.inspection) == [{"layers": 3}]
        assert jobs.claim(PLAN, (analysis,)) is not None

    def test_a_rejected_upload_is_told_to_the_analyses_that_waited(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis(inputs="inspecting")
        (model,), (dataset,) = read(engine, Model.id), read(engine, Dataset.id)
        jobs.commit(claim(jobs, INSPECT_DATASET, dataset), {})
        wake_ups = jobs.fail(claim(jobs, INSPECT_MODEL, model), PROBLEM)
        assert wake_ups == ["analyze"]
        assert read(engine, Model.state) == ["rejected"]
        assert read(engine, Model.error) == [PROBLEM]

        with pytest.raises(RefusedError, match="model was rejected"):
            jobs.inputs(claim(jobs, PLAN, analysis))


class TestClaim:
    def test_of_two_deliveries_one_gets_the_work(
        self, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        assert jobs.claim(PLAN, (analysis,)) is not None
        assert jobs.claim(PLAN, (analysis,)) is None

    def test_of_many_workers_at_once_one_gets_the_work(
        self, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        claims = _at_once(8, lambda _: jobs.claim(PLAN, (analysis,)))
        assert sum(claimed is not None for claimed in claims) == 1

    def test_done_work_is_not_done_again(self, jobs: Jobs, make_analysis: MakeAnalysis) -> None:
        analysis = make_analysis()
        plan(jobs, analysis)
        jobs.commit(claim(jobs, SHARD, analysis, 0), b"")
        assert jobs.claim(PLAN, (analysis,)) is None
        assert jobs.claim(SHARD, (analysis, 0)) is None
        assert jobs.claim(REDUCE, (analysis,)) is None

    def test_of_nothing(self, jobs: Jobs) -> None:
        assert jobs.claim(PLAN, ("ana_none",)) is None


class TestStaleToken:
    def test_changes_nothing(self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis) -> None:
        analysis = make_analysis()
        plan(jobs, analysis)
        stale = claim(jobs, SHARD, analysis, 0)
        jobs.retry(stale, "it fell silent")
        fresh = claim(jobs, SHARD, analysis, 0)

        assert not jobs.renew(stale)
        assert not jobs.is_held(stale)
        with pytest.raises(LeaseLostError):
            jobs.commit(stale, b"stale")
        with pytest.raises(LeaseLostError):
            jobs.fail(stale, PROBLEM)
        with pytest.raises(LeaseLostError):
            jobs.give_back(stale)

        assert jobs.renew(fresh)
        assert read(engine, Analysis.remaining) == [3]
        assert shard_states(engine, analysis) == ["leased", "queued", "queued"]

    def test_a_second_commit_is_stale(self, jobs: Jobs, make_analysis: MakeAnalysis) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=2)
        claimed = claim(jobs, SHARD, analysis, 0)
        jobs.commit(claimed, b"")
        with pytest.raises(LeaseLostError):
            jobs.commit(claimed, b"")


class TestFanIn:
    def test_of_many_committers_one_rings_for_the_reduce(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=8)
        claims = [claim(jobs, SHARD, analysis, index) for index in range(8)]
        woken = _at_once(8, lambda index: jobs.commit(claims[index], b"x"))
        assert list(chain(*woken)) == ["analyze"]
        assert read(engine, Analysis.remaining) == [0]
        assert history(engine, analysis).count("reducing") == 1

    def test_commits_and_a_failure_at_once_end_in_one_state(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        plan(jobs, analysis, shards=8)
        claims = [claim(jobs, SHARD, analysis, index) for index in range(8)]

        def end(index: int) -> None:
            try:
                if index == 4:
                    jobs.fail(claims[index], PROBLEM)
                else:
                    jobs.commit(claims[index], b"x")
            except LeaseLostError:
                pass  # for those that come after the failure

        _at_once(8, end)
        assert state_of(engine, analysis) == "failed"
        assert set(shard_states(engine, analysis)) <= {"done", "failed", "cancelled"}


class TestFail:
    @pytest.mark.parametrize("work", [PLAN, SHARD, REDUCE], ids=lambda work: work.task)
    def test_ends_the_analysis_and_its_shards(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis, work: Work
    ) -> None:
        analysis = make_analysis()
        jobs.fail(claim(jobs, work, *_bring_to(jobs, work, analysis)), PROBLEM)
        assert state_of(engine, analysis) == "failed"
        assert read(engine, Analysis.error) == [PROBLEM]
        assert history(engine, analysis)[-1] == "failed"
        assert not {"queued", "leased"} & set(shard_states(engine, analysis))
        (data,) = read(engine, Event.data, Event.id == max(read(engine, Event.id)))
        assert data["error"] == PROBLEM


class TestCancel:
    def test_while_queued(self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis) -> None:
        analysis = make_analysis()
        ask_to_cancel(engine, analysis)
        assert jobs.claim(PLAN, (analysis,)) is None
        assert jobs.cancel(ANALYSES, analysis)
        assert not jobs.cancel(ANALYSES, analysis)
        assert history(engine, analysis) == ["cancelled"]

    @pytest.mark.parametrize("work", [PLAN, SHARD, REDUCE], ids=lambda work: work.task)
    def test_while_held(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis, work: Work
    ) -> None:
        analysis = make_analysis()
        held = claim(jobs, work, *_bring_to(jobs, work, analysis))
        ask_to_cancel(engine, analysis)
        assert not jobs.is_held(held)
        assert not jobs.renew(held)
        with pytest.raises(LeaseLostError):
            jobs.commit(held, {"plan": planned(1), "shard": b"", "reduce": RESULT}[work.task])
        with pytest.raises(LeaseLostError):
            jobs.retry(held, "it fell silent")

        assert jobs.cancel(ANALYSES, analysis)
        assert state_of(engine, analysis) == "cancelled"
        assert None not in read(engine, Analysis.finished_at)
        assert set(shard_states(engine, analysis)) <= {"done", "cancelled"}
        with pytest.raises(LeaseLostError):
            jobs.give_back(held)
        assert jobs.claim(work, held.ids) is None

    @pytest.mark.parametrize("work", [PLAN, SHARD, REDUCE], ids=lambda work: work.task)
    def test_and_deleted_while_held(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis, work: Work
    ) -> None:
        analysis = make_analysis()
        held = claim(jobs, work, *_bring_to(jobs, work, analysis))
        ask_to_cancel(engine, analysis)
        assert jobs.cancel(ANALYSES, analysis)
        with engine.begin() as connection:
            connection.execute(delete(Analysis).where(Analysis.id == analysis))
        with pytest.raises(LeaseLostError):
            jobs.inputs(held)

    def test_not_unless_asked_for(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        assert not jobs.cancel(ANALYSES, analysis)
        assert state_of(engine, analysis) == "queued"


class TestAttempts:
    def test_given_back_work_was_never_attempted(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        jobs.give_back(claim(jobs, PLAN, analysis))
        assert read(engine, Analysis.attempt) == [0]
        assert history(engine, analysis) == ["planning", "queued"]
        assert claim(jobs, PLAN, analysis).attempt == 1

    def test_come_at_once_or_after_a_delay(
        self, engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        assert jobs.give_back(claim(jobs, PLAN, analysis)) == ["analyze"]
        assert jobs.retry(claim(jobs, PLAN, analysis), "It fell silent.") == ["analyze"]
        assert jobs.retry(claim(jobs, PLAN, analysis), "It fell silent.", delay=60) == []
        assert jobs.claim_next("analyze") is None
        let_pass(engine, Analysis, 60)
        assert jobs.claim_next("analyze") is not None

    def test_run_out(self, engine: Engine, make_analysis: MakeAnalysis) -> None:
        jobs = make_jobs(engine, max_attempts=2)
        analysis = make_analysis()
        plan(jobs, analysis)
        jobs.retry(claim(jobs, SHARD, analysis, 0), "worker a fell silent")
        jobs.retry(claim(jobs, SHARD, analysis, 0), "worker b fell silent")
        assert shard_states(engine, analysis) == ["failed", "cancelled", "cancelled"]
        (error,) = read(engine, Analysis.error)
        assert error["type"].endswith(":attempts-exhausted")
        assert "worker b fell silent" in error["detail"]

    def test_of_the_plan_do_not_count_for_the_reduce(
        self, jobs: Jobs, make_analysis: MakeAnalysis
    ) -> None:
        analysis = make_analysis()
        jobs.retry(claim(jobs, PLAN, analysis), "it fell silent")
        assert claim(jobs, REDUCE, *_bring_to(jobs, REDUCE, analysis)).attempt == 1


def _bring_to(jobs: Jobs, work: Work, analysis: str) -> Ids:
    """Bring a queued analysis to where `work` waits; returns the ids of that work."""
    if work is PLAN:
        return (analysis,)
    plan(jobs, analysis, shards=2)
    jobs.commit(claim(jobs, SHARD, analysis, 0), b"")
    if work is SHARD:
        return (analysis, 1)
    jobs.commit(claim(jobs, SHARD, analysis, 1), b"")
    return (analysis,)


def _at_once(count: int, act: Any) -> list[Any]:
    """Return what `act(index)` returns in each of `count` threads that start together."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(index: int) -> None:
        barrier.wait()
        results[index] = act(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
