"""A fresh database for each test, on SQLite and on PostgreSQL, and rows to work on."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, create_engine, insert, text
from sqlalchemy.exc import OperationalError

from service.database.engine import make_engine
from service.database.tables import Analysis, Base, Dataset, File, Model, new_id
from service.settings import Settings
from worker.jobs import Jobs

POSTGRES = os.environ.get("NARROWS_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432")
ROOT = Path(__file__).parents[2]
SHA256 = "0" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = make_engine(f"sqlite:///{tmp_path / 'narrows.db'}")
    else:
        made = make_engine(request.getfixturevalue("postgres_schema"))
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a scratch database."""
    server = Settings(database_url=POSTGRES).resolved_database_url.rstrip("/")
    name = f"narrows_test_{secrets.token_hex(6)}"
    admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        reason = f"no PostgreSQL at {POSTGRES}: {error.orig}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    yield f"{server}/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def postgres_schema(postgres: str) -> str:
    """The URL of the scratch database, with an empty schema of its own to work in."""
    name = f"test_{secrets.token_hex(6)}"
    scratch = create_engine(postgres)
    with scratch.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    scratch.dispose()
    return f"{postgres}?options=-csearch_path%3D{name}"


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
