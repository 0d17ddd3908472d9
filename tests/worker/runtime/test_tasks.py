import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, delete, update
from sqlalchemy.exc import OperationalError

from service.broker.celery_app import Broker
from service.database.tables import Analysis, Dataset, Model, Shard
from service.storage.damage import DamagedFileError
from service.storage.errors import StorageError
from service.storage.objects import Storage
from tests.support.jobs import (
    FakeBroker,
    MakeAnalysis,
    ask_to_cancel,
    let_pass,
    make_jobs,
    plan,
    read,
    shard_states,
    state_of,
)
from worker.isolation.errors import ChildCrashedError, ChildDiskFullError, ChildKilledError
from worker.isolation.supervisor import Supervisor
from worker.runtime import tasks
from worker.runtime.jobs import Jobs
from worker.runtime.tasks import Runner
from worker.runtime.work.plan import PLAN


class FakeStorage:
    def __init__(self, fault: OSError | None) -> None:
        self._fault = fault

    def fetch(self, sha256: str, into: Path) -> Path:
        if self._fault:
            raise self._fault
        return into / sha256


class FakeSupervisor:
    """Does in this process what `act` does, while being watched."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act

    @contextmanager
    def folder(self) -> Iterator[Path]:
        yield Path("folder")

    def call(self, *_: Any, watch: Callable[[], None], **__: Any) -> Any:
        result = self._act()
        watch()
        return result


def make_runner(
    jobs: Jobs, act: Callable[[], Any] = bytes, *, fault: OSError | None = None
) -> Runner:
    return Runner(
        jobs,
        cast("Broker", FakeBroker()),
        cast("Storage", FakeStorage(fault)),
        cast("Supervisor", FakeSupervisor(act)),
        cache=Path("cache"),
    )


def crash() -> None:
    raise ChildCrashedError("Its process was ended by SIGSEGV.")


def test_a_crash_ends_the_analysis_at_once(
    engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
) -> None:
    analysis = make_analysis()
    plan(jobs, analysis, shards=2)
    make_runner(jobs, crash).run("analyze")
    assert state_of(engine, analysis) == "failed"
    (error,) = read(engine, Analysis.error)
    assert error["type"] == "urn:narrows:problem:computation-crashed"
    assert "SIGSEGV" in error["detail"]


def kill() -> None:
    raise ChildKilledError("Its process was ended by SIGKILL.")


def test_a_killed_child_is_worth_another_attempt_but_not_for_ever(
    engine: Engine, make_analysis: MakeAnalysis
) -> None:
    jobs = make_jobs(engine, max_attempts=2)
    analysis = make_analysis()
    plan(jobs, analysis, shards=1)
    make_runner(jobs, kill).run("analyze")
    assert shard_states(engine, analysis) == ["queued"]
    make_runner(jobs, kill).run("analyze")
    assert state_of(engine, analysis) == "failed"
    (error,) = read(engine, Analysis.error)
    assert error["type"] == "urn:narrows:problem:attempts-exhausted"
    assert error["detail"].startswith("All 2 attempts failed")
    assert error["detail"].endswith("Its process was ended by SIGKILL.")


def test_an_analysis_may_ask_for_a_time_limit(
    engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
) -> None:
    analysis = make_analysis(request={"time_limit_seconds": 60})
    plan(jobs, analysis, shards=3)
    make_runner(jobs).run("analyze")
    assert shard_states(engine, analysis) == ["done", "queued", "queued"]

    (started,) = read(engine, Analysis.started_at)
    with engine.begin() as connection:
        connection.execute(update(Analysis).values(started_at=started - timedelta(seconds=61)))
    make_runner(jobs).run("analyze")
    assert state_of(engine, analysis) == "failed"
    (error,) = read(engine, Analysis.error)
    assert error["type"] == "urn:narrows:problem:time-limit"


def test_a_database_out_of_reach_leaves_the_work_where_it_is(
    engine: Engine,
    jobs: Jobs,
    make_analysis: MakeAnalysis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("connection refused"))

    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(Jobs, "claim_next", away)
    analysis = make_analysis()
    make_runner(jobs).run("analyze")
    assert state_of(engine, analysis) == "queued"
    assert "connection refused" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "slug"),
    [
        (FileNotFoundError("no such object"), "file-missing"),
        (DamagedFileError("ab" * 32), "file-damaged"),
    ],
)
def test_a_missing_or_damaged_file_ends_the_analysis_at_once(
    engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis, fault: OSError, slug: str
) -> None:
    analysis = make_analysis()
    plan(jobs, analysis, shards=1)
    make_runner(jobs, fault=fault).run("analyze")
    assert state_of(engine, analysis) == "failed"
    (error,) = read(engine, Analysis.error)
    assert error["type"] == f"urn:narrows:problem:{slug}"
    assert "Upload it again" in error["detail"]


def test_a_file_out_of_reach_is_tried_again_and_then_given_up(
    engine: Engine, make_analysis: MakeAnalysis, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = make_jobs(engine, max_attempts=2)
    analysis = make_analysis()
    plan(jobs, analysis, shards=1)
    runner = make_runner(jobs, fault=PermissionError("not yours"))
    runner.run("analyze")
    assert shard_states(engine, analysis) == ["queued"]
    let_pass(engine, Shard, tasks.MOST_SECONDS)
    runner.run("analyze")
    assert state_of(engine, analysis) == "failed"
    (error,) = read(engine, Analysis.error)
    assert error["type"] == "urn:narrows:problem:attempts-exhausted"
    assert "PermissionError" in caplog.text
    assert "PermissionError" not in str(error)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (StorageError("no answer"), "no answer"),
        (OSError(errno.ENOSPC, "no space left"), "no space left"),
    ],
)
def test_storage_out_of_reach_or_full_costs_no_attempt(
    engine: Engine,
    make_analysis: MakeAnalysis,
    caplog: pytest.LogCaptureFixture,
    fault: OSError,
    told: str,
) -> None:
    jobs = make_jobs(engine, max_attempts=1)
    analysis = make_analysis()
    plan(jobs, analysis, shards=1)
    away = make_runner(jobs, fault=fault)
    for _ in range(2):
        away.run("analyze")
        assert shard_states(engine, analysis) == ["queued"]
        let_pass(engine, Shard, tasks.RETRY_SECONDS)
    assert "waits for storage" in caplog.text
    assert told in caplog.text
    make_runner(jobs).run("analyze")
    assert shard_states(engine, analysis) == ["done"]


def fill_the_disk() -> None:
    raise ChildDiskFullError("The worker's disk was full.")


def test_a_child_that_finds_the_disk_full_waits_and_costs_no_attempt(
    engine: Engine, make_analysis: MakeAnalysis, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = make_jobs(engine, max_attempts=1)
    analysis = make_analysis()
    plan(jobs, analysis, shards=1)
    for _ in range(3):
        make_runner(jobs, fill_the_disk).run("analyze")
        assert shard_states(engine, analysis) == ["queued"]
        (waits_from,) = read(engine, Shard.waits_from)
        assert waits_from > time.time() + tasks.FULL_SECONDS / 2
        let_pass(engine, Shard, tasks.FULL_SECONDS)
    assert "waits for space" in caplog.text
    make_runner(jobs).run("analyze")
    assert shard_states(engine, analysis) == ["done"]


def test_an_inspection_has_a_time_limit_of_its_own(
    jobs: Jobs, engine: Engine, make_analysis: MakeAnalysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def call(_: FakeSupervisor, *__: Any, seconds: float | None, **___: Any) -> Any:
        given.append(seconds)
        return {"shards": [], "first_look": None}

    monkeypatch.setattr(FakeSupervisor, "call", call)
    make_analysis(inputs="inspecting")
    with engine.begin() as connection:
        connection.execute(update(Model).values(size=10 * tasks.INSPECTED_PER_SECOND))
    for queue in ("inspect", "inspect", "analyze"):
        make_runner(jobs).run(queue)
    assert given == [70, pytest.approx(60, abs=0.1), None]


def test_a_cancel_that_came_meanwhile_wins(
    engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
) -> None:
    analysis = make_analysis()

    def cancelled_meanwhile() -> list[tuple[int, int]]:
        ask_to_cancel(engine, analysis)
        return [(0, 1)]

    make_runner(jobs, cancelled_meanwhile).run("analyze")
    assert state_of(engine, analysis) == "cancelled"
    assert shard_states(engine, analysis) == []


def by_ending(task: str) -> dict[str, float]:
    name = "narrows_work_seconds_count"
    endings = ("done", "cancelled", "lost")
    return {e: REGISTRY.get_sample_value(name, {"task": task, "ended": e}) or 0 for e in endings}


def fail_the_analysis(engine: Engine, analysis: str) -> None:
    with engine.begin() as connection:
        connection.execute(update(Analysis).values(state="failed").where(Analysis.id == analysis))


def delete_the_analysis(engine: Engine, analysis: str) -> None:
    with engine.begin() as connection:
        connection.execute(delete(Shard).where(Shard.analysis_id == analysis))
        connection.execute(delete(Analysis).where(Analysis.id == analysis))


def take_it_away(engine: Engine, _: str) -> None:
    with engine.begin() as connection:
        connection.execute(update(Shard).values(token="of another worker"))


@pytest.mark.parametrize(
    ("happens", "ended", "told"),
    [
        (ask_to_cancel, "cancelled", "it was cancelled"),
        (fail_the_analysis, "cancelled", "it was cancelled"),
        (delete_the_analysis, "cancelled", "it was cancelled"),
        (take_it_away, "lost", "its lease is lost"),
    ],
)
def test_cancelled_work_does_not_count_as_lost(
    engine: Engine,
    jobs: Jobs,
    make_analysis: MakeAnalysis,
    caplog: pytest.LogCaptureFixture,
    happens: Callable[[Engine, str], None],
    ended: str,
    told: str,
) -> None:
    caplog.set_level("INFO")
    analysis = make_analysis()
    plan(jobs, analysis, shards=1)
    before = by_ending("shard")
    make_runner(jobs, lambda: happens(engine, analysis)).run("analyze")
    after = by_ending("shard")
    assert {e: after[e] - before[e] for e in after} == {"done": 0, "cancelled": 0, "lost": 0} | {
        ended: 1
    }
    assert told in caplog.text
    assert f"shard {ended}" in caplog.text


def test_a_model_that_is_deleted_while_it_is_inspected(
    engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
) -> None:
    make_analysis(inputs="inspecting")

    def delete_it() -> dict[str, Any]:
        with engine.begin() as connection:
            connection.execute(delete(Analysis))
            connection.execute(delete(Model))
        return {}

    before = by_ending("inspect_model")
    make_runner(jobs, delete_it).run("inspect")
    assert by_ending("inspect_model") == before | {"cancelled": before["cancelled"] + 1}


def test_stopping_gives_back_what_is_in_hand_and_takes_no_more(
    engine: Engine, jobs: Jobs, make_analysis: MakeAnalysis
) -> None:
    analysis = make_analysis()
    plan(jobs, analysis, shards=2)
    runner = make_runner(jobs, lambda: runner.stop())
    runner.run("analyze")
    assert shard_states(engine, analysis) == ["queued", "queued"]
    runner.run("analyze")
    assert shard_states(engine, analysis) == ["queued", "queued"]
    assert read(engine, Shard.attempt) == [0, 0]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [(None, {"scale": 2.0}), ({}, {}), ({"crop": 8}, {"crop": 8})],
)
def test_an_analysis_may_declare_its_own_transform(
    engine: Engine,
    make_analysis: MakeAnalysis,
    declared: dict[str, Any] | None,
    expected: dict[str, Any],
) -> None:
    analysis = make_analysis(request={"transform": declared} if declared is not None else {})
    with engine.begin() as connection:
        connection.execute(update(Dataset).values(transform={"scale": 2.0}))
        assert PLAN.load(connection, (analysis,)).arguments[2] == expected
