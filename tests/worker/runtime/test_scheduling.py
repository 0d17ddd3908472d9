"""Whose work is next, in both databases."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, select, update

from service.database.base import new_id
from service.database.shares import Share
from service.database.tables import Analysis, Dataset, Model, Shard
from service.database.trials import Trial, TrialRun
from tests.support.jobs import MakeAnalysis, ask_to_cancel, claim, plan, read
from worker.runtime.jobs import Jobs
from worker.runtime.registration import Registration
from worker.runtime.scheduling import Turn
from worker.runtime.work.plan import PLAN
from worker.runtime.work.shard import SHARD


def take(jobs: Jobs, queue: str = "analyze") -> Turn:
    turn = jobs.claim_next(queue)
    assert turn is not None
    return turn


def owners(jobs: Jobs, count: int, seconds: float = 1.0) -> str:
    """Take so many pieces, each of which takes `seconds`; return the first letters of owners."""
    names = ""
    for _ in range(count):
        turn = take(jobs)
        jobs.settle(turn, seconds)
        names += turn.owner[0]
    return names


def test_a_newcomer_does_not_wait_for_hundreds(jobs: Jobs, make_analysis: MakeAnalysis) -> None:
    for _ in range(12):
        make_analysis(owner="ann")
    assert owners(jobs, 4) == "aaaa"
    for _ in range(3):
        make_analysis(owner="bob")
    assert owners(jobs, 7) == "bababaa"


def test_seconds_count_not_pieces(jobs: Jobs, make_analysis: MakeAnalysis) -> None:
    for owner in ("ann", "bob"):
        for _ in range(8):
            make_analysis(owner=owner)
    taken = {"a": 0, "b": 0}
    for _ in range(8):
        turn = take(jobs)
        taken[turn.owner[0]] += 1
        jobs.settle(turn, 3.0 if turn.owner == "ann" else 1.0)
    assert taken == {"a": 2, "b": 6}


def test_within_an_owner_what_has_begun_is_finished_first(
    jobs: Jobs, make_analysis: MakeAnalysis
) -> None:
    begun, waiting = make_analysis(), make_analysis()
    plan(jobs, begun, shards=2)
    jobs.commit(claim(jobs, SHARD, begun, 0), b"")
    assert take(jobs).claim.ids == (begun, 1)
    assert take(jobs).claim.ids == (waiting,)
    assert jobs.claim_next("analyze") is None


def test_equal_work_goes_by_age(jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis) -> None:
    made = [make_analysis() for _ in range(3)]
    for age, analysis in enumerate((made[1], made[2], made[0])):
        with engine.begin() as connection:
            old = update(Analysis).where(Analysis.id == analysis)
            connection.execute(old.values(waits_from=float(age)))
    assert [take(jobs).claim.ids for _ in made] == [(made[1],), (made[2],), (made[0],)]


def test_only_of_its_own_queue(jobs: Jobs, make_analysis: MakeAnalysis) -> None:
    make_analysis(inputs="inspecting")
    assert jobs.claim_next("analyze") is None  # what it needs is not inspected yet
    assert {take(jobs, "inspect").claim.work.task for _ in range(2)} == {
        "inspect_model",
        "inspect_dataset",
    }


def test_cancelled_work_holds_up_nobody(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis
) -> None:
    ask_to_cancel(engine, make_analysis(owner="ann"))
    make_analysis(owner="bob")
    assert take(jobs).owner == "bob"
    assert jobs.claim_next("analyze") is None


def train(engine: Engine, analysis: str, owner: str, runs: int) -> None:
    """Insert a trial that trains."""
    trial = new_id("trl")
    with engine.begin() as connection:
        uploads = select(Analysis.model_id, Analysis.dataset_id).where(Analysis.id == analysis)
        used = connection.execute(uploads).one()._asdict()
        row: dict[str, Any] = {"id": trial, "owner": owner, "request": {}, "state": "running"}
        connection.execute(insert(Trial).values(**row, **used, analysis_id=analysis))
        rows = [
            {"trial_id": trial, "index": n, "variant": "x", "seed": n, "state": "queued"}
            for n in range(runs)
        ]
        connection.execute(insert(TrialRun), rows)


def test_trainings_come_last_and_do_not_starve(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis
) -> None:
    made = [make_analysis(owner="ann") for _ in range(24)]
    train(engine, made[0], "ann", runs=8)
    tasks = []
    for _ in range(24):
        turn = take(jobs)
        jobs.settle(turn, 1.0)
        tasks.append(turn.claim.work.task)
    assert tasks.index("train") == 9
    assert tasks.count("train") == 2


def test_others_do_not_wait_for_trainings(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis
) -> None:
    done = make_analysis(owner="ann")
    claim(jobs, PLAN, done)
    train(engine, done, "ann", runs=8)
    assert owners(jobs, 2, seconds=30.0) == "aa"
    for _ in range(3):
        make_analysis(owner="bob")
    assert owners(jobs, 3) == "bbb"


def test_workers_at_once_take_each_piece_once(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis
) -> None:
    for owner in ("ann", "bob"):
        plan(jobs, make_analysis(owner=owner), shards=10)
    with ThreadPoolExecutor(4) as threads:
        turns = list(threads.map(lambda _: jobs.claim_next("analyze"), range(24)))
    taken = [turn for turn in turns if turn]
    assert len({(turn.claim.ids) for turn in taken}) == len(taken) == 20
    assert read(engine, func.count(), Shard.state == "leased") == [20]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda turn: jobs.settle(turn, 2.0), taken))
    assert sorted(read(engine, Share.finish)) == pytest.approx([20.0, 20.0], abs=2.0)


def test_a_locked_row_is_passed_over(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    locked = make_analysis(owner="ann")
    free = make_analysis(owner="bob")
    with engine.begin() as deleting:
        deleting.execute(select(Analysis.id).where(Analysis.id == locked).with_for_update())
        assert take(jobs).claim.ids == (free,)
        assert jobs.claim_next("analyze") is None
    assert take(jobs).claim.ids == (locked,)


def test_an_owner_leaves_a_worker_to_others_inspections(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis
) -> None:
    for name in ("a", "b", "c"):
        Registration(engine, name=name, queues="analyze,inspect", seconds=60.0).renew()
    Registration(engine, name="d", queues="analyze", seconds=60.0).renew()
    for _ in range(2):
        make_analysis(owner="ann", inputs="inspecting")  # two uploads each
    held = [take(jobs, "inspect") for _ in range(2)]
    assert jobs.claim_next("inspect") is None
    make_analysis(owner="bob", inputs="inspecting")
    assert take(jobs, "inspect").owner == "bob"
    jobs.commit(held[0].claim, {})
    assert {take(jobs, "inspect").owner for _ in range(2)} == {"ann", "bob"}
    assert jobs.claim_next("inspect") is None


def test_models_and_datasets_take_turns_by_age(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis
) -> None:
    make_analysis(inputs="inspecting")
    make_analysis(inputs="inspecting")
    for table, since in ((Model, 1.0), (Dataset, 0.0)):
        with engine.begin() as connection:
            connection.execute(update(table).values(waits_from=since))
    first = [take(jobs, "inspect").claim.work.task for _ in range(2)]
    assert first == ["inspect_dataset"] * 2
