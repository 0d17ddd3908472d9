"""Rows to work on, and worker processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text

from service.database.base import Base, new_id
from service.database.engine import close, make_engine
from service.database.tables import Analysis, Dataset, File, Model
from tests.support.jobs import MakeAnalysis, Start, make_jobs
from worker.runtime.jobs import Jobs

ROOT = Path(__file__).parents[2]
SHA256 = "0" * 64


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    Base.metadata.create_all(engine)
    yield engine
    close(engine)


@pytest.fixture
def jobs(engine: Engine) -> Jobs:
    return make_jobs(engine)


@pytest.fixture
def make_analysis(engine: Engine) -> MakeAnalysis:
    """Insert an analysis with its model and its dataset; returns its id."""

    def make(
        *,
        owner: str = "me",
        inputs: str = "ready",
        sha256: str = SHA256,
        request: dict[str, Any] | None = None,
    ) -> str:
        upload = {
            "owner": owner,
            "name": "it",
            "filename": "it",
            "sha256": sha256,
            "size": 1,
            "state": inputs,
        }
        model, dataset, analysis = new_id("mdl"), new_id("dst"), new_id("ana")
        with engine.begin() as connection:
            if not connection.execute(text("SELECT 1 FROM files")).first():
                connection.execute(insert(File).values(sha256=sha256, size=1))
            connection.execute(insert(Model).values(id=model, **upload))
            connection.execute(insert(Dataset).values(id=dataset, **upload))
            connection.execute(
                insert(Analysis).values(
                    id=analysis,
                    owner=owner,
                    model_id=model,
                    dataset_id=dataset,
                    request=request or {},
                    state="queued",
                )
            )
        return analysis

    return make


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
