"""What a worker counts."""

import os
import socket
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, insert

from service.database.tables import Event
from service.settings import Settings
from tests.support.jobs import MakeAnalysis, claim, make_jobs, plan
from worker.hardware import gpu
from worker.isolation.errors import ChildCrashedError
from worker.runtime.heartbeat import StoppingError
from worker.runtime.instrumentation import timed
from worker.runtime.jobs import Jobs
from worker.runtime.leases import CancelledWorkError, LeaseLostError
from worker.runtime.metrics import serve_metrics
from worker.runtime.work.plan import PLAN
from worker.runtime.work.shard import SHARD

WORK = "narrows_work_seconds_count"

Grown = Callable[..., float]


@pytest.fixture
def grown() -> Grown:
    """Return by how much a sample has grown since it was last asked for."""
    seen: dict[tuple[object, ...], float] = {}

    def read(name: str, **labels: str) -> float:
        value = REGISTRY.get_sample_value(name, labels) or 0.0
        key = (name, *sorted(labels.items()))
        before, seen[key] = seen.get(key, 0.0), value
        return value - before

    return read


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (None, "done"),
        (ChildCrashedError("it crashed"), "failed"),
        (LeaseLostError(), "lost"),
        (CancelledWorkError(), "cancelled"),
        (StoppingError(), "returned"),
        (OSError(), "error"),
    ],
)
def test_work_by_how_it_ends(
    jobs: Jobs, make_analysis: MakeAnalysis, grown: Grown, error: Exception | None, ended: str
) -> None:
    claimed = claim(jobs, PLAN, make_analysis())
    grown(WORK, task="plan", ended=ended)
    grown("narrows_work_retries_total", task="plan")
    with suppress(Exception), timed(claimed):
        if error:
            raise error
    assert grown(WORK, task="plan", ended=ended) == 1
    assert grown("narrows_work_retries_total", task="plan") == 0


def test_retries(jobs: Jobs, make_analysis: MakeAnalysis, grown: Grown) -> None:
    analysis = make_analysis()
    grown("narrows_work_retries_total", task="plan")
    jobs.give_back(claim(jobs, PLAN, analysis))
    for _ in range(2):
        claimed = claim(jobs, PLAN, analysis)
        with timed(claimed):
            jobs.retry(claimed, "it was odd")
    assert grown("narrows_work_retries_total", task="plan") == 1


def test_analyses_and_their_stages(
    engine: Engine, make_analysis: MakeAnalysis, grown: Grown
) -> None:
    jobs = make_jobs(engine, max_attempts=1)
    analysis = make_analysis()
    states = ("queued", "planning", "running", "reducing")
    counted = [("narrows_analysis_stage_seconds_count", state) for state in states]
    counted.append(("narrows_analysis_seconds_count", "failed"))
    for name, state in counted:
        grown(name, state=state)
    with engine.begin() as connection:
        connection.execute(
            insert(Event).values(analysis_id=analysis, kind="created", data={"state": "queued"})
        )
    plan(jobs, analysis)
    jobs.retry(claim(jobs, SHARD, analysis, 0), "It was odd.")
    assert [grown(name, state=state) for name, state in counted] == [1, 1, 1, 0, 1]


def test_they_are_served(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve_metrics(settings)  # nowhere, unless there is a port
    serve_metrics(settings.model_copy(update={"metrics_port": port}))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b"narrows_work_seconds" in answer.read()
    with pytest.raises(OSError, match="in use"):
        serve_metrics(settings.model_copy(update={"metrics_port": port}))


def test_gpu_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, grown: Grown) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        """#!/bin/sh
        [ "$1 $3" = "--query-gpu=uuid,memory.used,memory.total --id=GPU-a" ] && echo "GPU-a, 3, 80"
        """
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a")
    assert grown("narrows_gpu_memory_bytes", gpu="GPU-a", kind="used") == 3 << 20
    assert grown("narrows_gpu_memory_bytes", gpu="GPU-a", kind="total") == 80 << 20
    for unknown in ("[N/A]", "[Not Supported]", "[Insufficient Permissions]"):
        tool.write_text(f"#!/bin/sh\necho 'GPU-a, {unknown}, {unknown}'; echo 'GPU-b, 5, 80'")
        assert [memory.gpu for memory in gpu.memory()] == ["GPU-b"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert grown("narrows_gpu_memory_bytes", gpu="GPU-a", kind="used") == -(3 << 20)
