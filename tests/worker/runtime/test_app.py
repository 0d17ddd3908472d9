"""Real worker processes, on the embedded broker and SQLite, with a pipeline that needs no torch."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from service.broker.celery_app import Broker, make_celery
from service.database.base import Base, new_id
from service.database.engine import close, make_engine
from service.database.migrate import upgrade
from service.database.tables import Analysis, Artifact, Dataset, File, Model, Shard, Worker
from service.settings import Settings
from service.storage.objects import Storage
from tests.support.jobs import Start, family, wait_until


class Service:
    """What the API does: it stores files, writes rows, sends ids and reads what became of them."""

    def __init__(self, data: Path) -> None:
        settings = Settings(data=data, database_url="", broker_url="", storage_url="")
        upgrade(settings)
        self.engine = make_engine(settings.resolved_database_url)
        self.broker = Broker(make_celery(settings))
        self.storage = Storage(settings.resolved_storage_url)

    def insert(self, table: type[Base], **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(table).values(**values))

    def upload(self, table: type[Model | Dataset], content: bytes) -> str:
        stored = self.storage.put(content)
        self.storage.keep(stored)
        self.insert(File, sha256=stored.sha256, size=stored.size)
        upload = {"id": new_id("upl"), "owner": "me", "state": "inspecting"}
        self.insert(
            table, **upload, name="it", filename="it", sha256=stored.sha256, size=stored.size
        )
        self.broker.wake("inspect")
        return upload["id"]

    def analyse(
        self,
        model: bytes = b"model",
        data: bytes = b"data",
        request_id: str | None = None,
        **request: Any,
    ) -> str:
        ids = {"model_id": self.upload(Model, model), "dataset_id": self.upload(Dataset, data)}
        analysis = new_id("ana")
        row = {"owner": "me", "state": "queued", "request": request, "request_id": request_id}
        self.insert(Analysis, id=analysis, **row, **ids)
        self.broker.wake("analyze")
        return analysis

    def read(self, column: Any) -> list[Any]:
        with self.engine.begin() as connection:
            return list(connection.scalars(select(column)))

    def wait_for(self, column: Any, value: object) -> None:
        wait_until(lambda: value in self.read(column))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.broker.close()
    close(made.engine)


def start_worker(start: Start) -> subprocess.Popen[str]:
    return start("-m", "worker", "--pipeline", "tests.support.fake_pipeline")


def test_from_upload_to_result(service: Service, start: Start) -> None:
    start_worker(start)
    service.analyse(shards=3)
    service.wait_for(Analysis.state, "succeeded")
    assert service.read(Analysis.summary) == [{"text": "0-4;4-8;8-12;"}]
    assert service.read(Dataset.inspection) == [{"text": "data", "transform": {}}]


def test_the_log_follows_a_request_into_the_child(service: Service, start: Start) -> None:
    worker = start_worker(start)
    analysis = service.analyse(shards=2, request_id="req-7")
    service.wait_for(Analysis.state, "succeeded")
    service.wait_for(Worker.device, "cpu")
    worker.terminate()
    lines = [json.loads(line) for line in worker.communicate()[1].splitlines()]
    said = [line for line in lines if line["event"] == "computing"]
    ids = {"request_id": "req-7", "job": analysis, "task": "shard"}
    assert sorted(line["shard"] for line in said) == [0, 1]
    assert all(ids.items() <= line.items() for line in said)
    assert {line["logger"] for line in said} == {"tests.support.fake_pipeline"}
    (done,) = (line for line in lines if line["event"] == "reduce done")
    assert (done["request_id"], done["job"]) == ("req-7", analysis)
    assert service.read(Worker.name) == []  # it has left


def test_what_is_built_is_stored(service: Service, start: Start, tmp_path: Path) -> None:
    start_worker(start)
    service.analyse(shards=1, build=["uniform", "pruned"])
    service.wait_for(Analysis.state, "succeeded")
    assert set(service.read(Artifact.name)) == {"uniform.pt2", "pruned.pt2"}
    contents = {
        service.storage.fetch(sha256, tmp_path).read_text()
        for sha256 in service.read(Artifact.sha256)
    }
    assert contents == {"uniform network", "pruned network"}
    wait_until(lambda: not list((tmp_path / "scratch").glob("*/*")))


def test_a_rejected_model_fails_the_analysis_that_waits_for_it(
    service: Service, start: Start
) -> None:
    start_worker(start)
    service.analyse(model=b"bad", shards=3)
    service.wait_for(Analysis.state, "failed")
    assert service.read(Model.state) == ["rejected"]
    (error,) = service.read(Model.error)
    assert error["type"] == "urn:narrows:problem:too-odd"
    (error,) = service.read(Analysis.error)
    assert error["type"] == "urn:narrows:problem:model-rejected"


def test_sigterm_gives_the_work_back(service: Service, start: Start, tmp_path: Path) -> None:
    worker = start_worker(start)
    service.analyse(shards=3, hang_from=4, pids="pids")
    wait_until(lambda: family(tmp_path / "scratch"))

    worker.send_signal(signal.SIGTERM)
    _, log = worker.communicate(timeout=30)

    assert worker.returncode == 0
    assert "Traceback" not in log
    assert sorted(service.read(Shard.state)) == ["done", "queued", "queued"]
    assert sorted(service.read(Shard.attempt)) == [0, 0, 1]
    assert (service.broker.depth() or 0) >= 2  # others hear of both at once, perhaps twice
    wait_until(lambda: not family(tmp_path / "scratch"))


def test_cancel_ends_the_child(service: Service, start: Start, tmp_path: Path) -> None:
    start_worker(start)
    service.analyse(shards=1, hang_from=0, pids="pids")
    wait_until(lambda: family(tmp_path / "scratch"))
    with service.engine.begin() as connection:
        connection.execute(update(Analysis).values(cancel_requested=True))
    service.wait_for(Analysis.state, "cancelled")
    wait_until(lambda: not family(tmp_path / "scratch"))
    service.analyse(b"another model", b"other data", shards=1)
    service.wait_for(Analysis.state, "succeeded")


def test_another_worker_takes_over_from_a_killed_one(
    service: Service, start: Start, tmp_path: Path
) -> None:
    killed = start_worker(start)
    service.analyse(shards=1, hang_from=0, pids="pids")
    wait_until(lambda: family(tmp_path / "scratch"))
    killed.kill()
    wait_until(lambda: not family(tmp_path / "scratch"))
    start_worker(start)
    wait_until(lambda: family(tmp_path / "scratch"))
    assert service.read(Shard.attempt) == [2]


def test_a_database_without_tables_is_explained(start: Start) -> None:
    worker = start("-m", "worker")
    _, log = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "narrows migrate" in log
    assert "Traceback" not in log
