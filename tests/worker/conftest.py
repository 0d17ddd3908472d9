"""Rows to work on, worker processes, and patience."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, insert, text

from service.database.engine import make_engine
from service.database.tables import Analysis, Base, Dataset, File, Model, new_id
from worker.jobs import Jobs

ROOT = Path(__file__).parents[2]
SHA256 = "0" * 64


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def jobs(engine: Engine) -> Jobs:
    return make_jobs(engine)


def make_jobs(engine: Engine, lease_seconds: float = 60.0, max_attempts: int = 3) -> Jobs:
    return Jobs(engine, holder="test", lease_seconds=lease_seconds, max_attempts=max_attempts)


MakeAnalysis = Callable[..., str]


@pytest.fixture
def make_analysis(engine: Engine) -> MakeAnalysis:
    """Insert an analysis with its model and its dataset; returns its id."""

    def make(
        *, inputs: str = "ready", sha256: str = SHA256, request: dict[str, Any] | None = None
    ) -> str:
        upload = {"owner": "me", "name": "it", "sha256": sha256, "size": 1, "state": inputs}
        model, dataset, analysis = new_id("mdl"), new_id("dst"), new_id("ana")
        with engine.begin() as connection:
            if not connection.execute(text("SELECT 1 FROM files")).first():
                connection.execute(insert(File).values(sha256=sha256, size=1))
            connection.execute(insert(Model).values(id=model, **upload))
            connection.execute(insert(Dataset).values(id=dataset, **upload))
            connection.execute(
                insert(Analysis).values(
                    id=analysis,
                    owner="me",
                    model_id=model,
                    dataset_id=dataset,
                    request=request or {},
                    state="queued",
                )
            )
        return analysis

    return make


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python ARGUMENTS…` on the folder of the service; it ends with the test."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NARROWS_")}
    environment |= {"NARROWS_DATA": str(tmp_path), "NARROWS_LEASE_SECONDS": "3"}
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.05)


def alive(pids: Path) -> list[int]:
    """Return which of the processes listed in `pids` run; a zombie waits for its parent only."""
    running = []
    for pid in map(int, pids.read_text().split()):
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                running.append(pid)
    return running
