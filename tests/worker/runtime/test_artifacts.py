"""What a reduce builds: there with its result, byte for byte, or nowhere at all."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.orm import Session

from narrows.vocabulary import PARTIAL_SUMS, RANKINGS
from service.broker.celery_app import Broker
from service.database.jobs import UNLISTED
from service.database.tables import Analysis, Artifact, File, Plan
from service.storage.objects import Storage
from tests.support.jobs import (
    FakeBroker,
    MakeAnalysis,
    ask_to_cancel,
    claim,
    let_pass,
    plan,
    read,
    state_of,
)
from worker.isolation.scratch import Scratch
from worker.isolation.supervisor import Supervisor
from worker.runtime.jobs import Jobs
from worker.runtime.tasks import MOST_SECONDS, Runner
from worker.runtime.work.shard import SHARD

WIDER = b"a wider network" * 200_000
Build = Callable[[Path], Any]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def result(*artifacts: str | None) -> dict[str, Any]:
    cost = {"layers": [], "parameters": [1, 2], "macs": [1, 2]}
    plans = [{"name": f"p{i}", "artifact": name, **cost} for i, name in enumerate(artifacts)]
    empty: dict[str, Any] = {"layers": [], "structures": [], "summary": {}, "provenance": {}}
    return empty | {"plans": plans}


def build_two(folder: Path) -> dict[str, Any]:
    (folder / "double.pt2").write_bytes(WIDER)
    (folder / "pruned.pt2").write_bytes(b"leaner")
    (folder / "not-named.pt2").write_bytes(b"left over")
    return result("double.pt2", None, "pruned.pt2")


class Worker:
    """A runner on real storage, whose child is the function `build`."""

    def __init__(self, jobs: Jobs, data: Path) -> None:
        self.jobs, self.data = jobs, data
        self.storage = Storage((data / "files").as_uri())
        self.scratch = Scratch(data / "scratch")
        self.folder = self.scratch.folder

    def call(self, *arguments: Any, watch: Callable[[], None], **_: Any) -> Any:
        watch()
        self.arguments = arguments[2:]  # behind the module and the function
        return self._build(self.scratch.path / arguments[-1])

    def reduce(self, analysis: str, build: Build) -> None:
        plan(self.jobs, analysis, shards=1)
        self.jobs.commit(claim(self.jobs, SHARD, analysis, 0), b"")
        self.reduce_again(build)

    def reduce_again(self, build: Build) -> None:
        self._build = build
        runner = Runner(
            self.jobs,
            cast("Broker", FakeBroker()),
            self.storage,
            cast("Supervisor", self),
            cache=self.data / "cache",
        )
        runner.run("analyze")

    def objects(self) -> set[str]:
        """Name what storage holds, besides the upload."""
        files = {path.name for path in (self.data / "files").rglob("*") if path.is_file()}
        return files - {digest(b"upload")}


@pytest.fixture
def worker(jobs: Jobs, tmp_path: Path) -> Iterator[Worker]:
    made = Worker(jobs, tmp_path)
    yield made
    made.scratch.close()


@pytest.fixture
def analysis(worker: Worker, make_analysis: MakeAnalysis) -> str:
    stored = worker.storage.put(b"upload")
    worker.storage.keep(stored)
    return make_analysis(sha256=stored.sha256)


def test_files_come_with_the_result(engine: Engine, worker: Worker, analysis: str) -> None:
    worker.reduce(analysis, build_two)
    assert state_of(engine, analysis) == "succeeded"
    assert set(read(engine, Artifact.name)) == {"double.pt2", "pruned.pt2"}
    assert set(read(engine, Artifact.size)) == {len(WIDER), 6}
    assert set(read(engine, Plan.artifact)) == {"double.pt2", None, "pruned.pt2"}
    assert worker.objects() == {digest(WIDER), digest(b"leaner")}
    assert worker.storage.fetch(digest(WIDER), worker.data).read_bytes() == WIDER
    assert list(worker.scratch.path.iterdir()) == []


def test_the_same_content_is_one_file(engine: Engine, worker: Worker, analysis: str) -> None:
    def build(folder: Path) -> dict[str, Any]:
        for name in ("a.pt2", "b.pt2"):
            (folder / name).write_bytes(b"upload")
        return result("a.pt2", "b.pt2")

    worker.reduce(analysis, build)
    assert read(engine, Artifact.sha256) == [digest(b"upload")] * 2
    assert read(engine, File.sha256) == [digest(b"upload")]
    assert worker.objects() == set()


def test_what_follow_ups_need_is_kept_and_not_listed(
    engine: Engine, worker: Worker, analysis: str, make_analysis: MakeAnalysis
) -> None:
    def build(folder: Path) -> dict[str, Any]:
        for name in UNLISTED:
            (folder / name).write_bytes(name.encode())
        return build_two(folder) | {"kept": list(UNLISTED)}

    worker.reduce(analysis, build)
    with Session(engine) as session:
        place_of = {row.name: row.index for row in session.scalars(select(Artifact))}
    assert place_of == {"double.pt2": 0, "pruned.pt2": 1, **UNLISTED}

    later = make_analysis(sha256=digest(b"upload"), inputs="ready")
    with engine.begin() as connection:
        of_later = Analysis.id == later
        waits = {"state": "reducing", "source_id": analysis}
        connection.execute(update(Analysis).where(of_later).values(waits))
        row = {"name": PARTIAL_SUMS, "sha256": digest(PARTIAL_SUMS.encode()), "size": 1}
        connection.execute(insert(Artifact).values(analysis_id=later, index=-1, **row))
    asked: list[tuple[Any, ...]] = []

    def build_later(folder: Path) -> dict[str, Any]:
        (folder / RANKINGS).write_bytes(b"of another cost")
        asked.append(worker.arguments)
        return result() | {"kept": [RANKINGS]}

    worker.reduce_again(build_later)
    assert state_of(engine, later) == "succeeded"
    ((model, request, sums, rankings, _),) = asked
    assert (Path(model).name, request, rankings) == (digest(b"upload"), {}, None)
    assert Path(sums).read_text() == PARTIAL_SUMS
    assert set(read(engine, Artifact.name, Artifact.analysis_id == later)) == set(UNLISTED)
    assert read(engine, Analysis.started_at, of_later) != [None]


@pytest.mark.parametrize("outside", [False, True])
def test_a_lost_lease_leaves_nothing_behind(
    engine: Engine, worker: Worker, analysis: str, *, outside: bool
) -> None:
    def build(folder: Path) -> dict[str, Any]:
        if outside:  # somebody else has it by now
            with engine.begin() as connection:
                connection.execute(update(Analysis).values(token="another"))
        else:
            ask_to_cancel(engine, analysis)
        return build_two(folder)

    worker.reduce(analysis, build)
    assert state_of(engine, analysis) == ("reducing" if outside else "cancelled")
    assert read(engine, Artifact.name) == read(engine, Plan.name) == []
    assert worker.objects() == set()
    assert list(worker.scratch.path.iterdir()) == []


def test_an_attempt_that_died_between_file_and_row_is_made_good(
    engine: Engine, worker: Worker, analysis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Storage.keep

    def keep_and_die(self: Storage, stored: Any) -> None:
        keep(self, stored)
        raise ConnectionError

    monkeypatch.setattr(Storage, "keep", keep_and_die)
    worker.reduce(analysis, build_two)
    assert state_of(engine, analysis) == "reducing"
    assert read(engine, Artifact.name) == read(engine, Plan.name) == []
    assert worker.objects() == {digest(WIDER)}

    monkeypatch.setattr(Storage, "keep", keep)
    let_pass(engine, Analysis, MOST_SECONDS)
    worker.reduce_again(build_two)
    assert state_of(engine, analysis) == "succeeded"
    assert worker.objects() == {digest(WIDER), digest(b"leaner")}


@pytest.mark.parametrize("name", ["missing.pt2", "../secret", "link.pt2", "", "."])
def test_files_that_the_child_did_not_write_are_not_taken(
    name: str, engine: Engine, worker: Worker, analysis: str
) -> None:
    secret = worker.scratch.path / "secret"

    def build(folder: Path) -> dict[str, Any]:
        secret.write_bytes(b"secret")
        (folder / "link.pt2").symlink_to(secret)
        return result("double.pt2", name)

    worker.reduce(analysis, build)
    assert state_of(engine, analysis) == "reducing"
    assert worker.objects() == set()
