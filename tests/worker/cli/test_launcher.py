import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.jobs import Start, wait_until
from worker.cli.launcher import worker_specs
from worker.hardware.gpu import visible_gpus
from worker.hardware.memory import memory_budget

NARROWS_WORKER = ("-m", "narrows", "worker")


def workers_of(launcher: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the launched workers that do their work: those with a fork server below them."""
    children = psutil.Process(launcher.pid).children()
    return [child for child in children if child.status() != "zombie" and child.children()]


@pytest.mark.faults
class TestWorker:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    def test_leaves_nothing_behind(self, start: Start, number: signal.Signals) -> None:
        launcher = start(*NARROWS_WORKER, "--queues", "inspect", "--workers", "2")
        wait_until(lambda: len(workers_of(launcher)) == 2)
        family = psutil.Process(launcher.pid).children(recursive=True)
        launcher.send_signal(number)
        launcher.communicate(timeout=30)
        assert launcher.returncode == (-number if number == signal.SIGKILL else 0)
        wait_until(lambda: not any(map(_runs, family)))

    def test_replaces_a_killed_worker(self, start: Start) -> None:
        launcher = start(*NARROWS_WORKER, "--queues", "analyze")
        wait_until(lambda: workers_of(launcher))
        (killed,) = workers_of(launcher)
        killed.kill()
        wait_until(lambda: [w for w in workers_of(launcher) if w.pid != killed.pid])


class TestStart:
    def test_says_why_it_can_not(self, start: Start, tmp_path: Path) -> None:
        (tmp_path / "narrows.db").write_text("This is no database, but longer than its header." * 9)
        launcher = start(*NARROWS_WORKER, "--workers", "2")
        _, log = launcher.communicate(timeout=60)
        assert launcher.returncode == 1
        assert log.splitlines()[-1].startswith("The database can't be used: ")

    def test_unknown_queues_are_a_usage_error(self, start: Start) -> None:
        launcher = start(*NARROWS_WORKER, "--queues", "analyse")
        _, log = launcher.communicate(timeout=60)
        assert launcher.returncode == 2
        assert "no such queue: analyse" in log

    def test_does_not_import_torch(self) -> None:
        check = (
            "import sys, worker.cli.launcher, worker.runtime.app; sys.exit('torch' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize(
    ("variable", "gpus"),
    [("0,1", ["0", "1"]), ("GPU-a1", ["GPU-a1"]), ("", []), ("-1", [])],
)
def test_visible_gpus(monkeypatch: pytest.MonkeyPatch, variable: str, gpus: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == gpus


def test_visible_gpus_without_a_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []


def test_visible_gpus_by_nvidia_smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho GPU-a1\necho GPU-b2\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert visible_gpus() == ["GPU-a1", "GPU-b2"]


@pytest.mark.parametrize(
    ("gpus", "workers", "devices"),
    [
        ([], None, ["", ""]),
        ([], 2, ["", "", ""]),
        (["GPU-a1", "GPU-b2"], None, ["GPU-a1", "GPU-b2", ""]),
        (["GPU-a1", "GPU-b2"], 3, ["GPU-a1", "GPU-b2", "GPU-a1", ""]),
    ],
)
def test_a_worker_for_each_gpu_and_one_for_inspections(
    gpus: list[str], workers: int | None, devices: list[str]
) -> None:
    specs = worker_specs("analyze,inspect", gpus, workers)
    assert [spec.environment["CUDA_VISIBLE_DEVICES"] for spec in specs] == devices
    assert [spec.queues for spec in specs[:-1]] == ["analyze,inspect"] * (len(specs) - 1)
    assert specs[-1].queues == "inspect"


@pytest.mark.parametrize("queue", ["analyze", "inspect"])
def test_one_queue_alone_needs_no_such_worker(queue: str) -> None:
    assert [spec.queues for spec in worker_specs(queue, [], None)] == [queue]


def test_workers_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARROWS_MEMORY_BYTES", "")  # as good as not set
    for queues, workers in (("analyze", 1), ("analyze", 2), ("analyze,inspect", 2)):
        specs = worker_specs(queues, [], workers)
        budgets = [int(spec.environment["NARROWS_MEMORY_BYTES"]) for spec in specs]
        assert 0.99 * memory_budget() < sum(budgets) <= memory_budget()
    monkeypatch.setenv("NARROWS_MEMORY_BYTES", "5")
    assert worker_specs("analyze", [], 2)[1].environment["NARROWS_MEMORY_BYTES"] == "5"


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
