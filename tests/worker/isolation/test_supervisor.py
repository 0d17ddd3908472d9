"""Each ending of a child is really provoked here."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.jobs import family, wait_until
from worker.errors import RefusedError
from worker.isolation import child_process
from worker.isolation import supervisor as supervisor_module
from worker.isolation.errors import (
    ChildCrashedError,
    ChildDiskFullError,
    ChildExitedError,
    ChildFailedError,
    ChildKilledError,
    ChildOutOfMemoryError,
    ChildTimeLimitError,
    ChildUnexpectedError,
)
from worker.isolation.fork_server import ForkServerGoneError
from worker.isolation.supervisor import Supervisor

FAKE = "tests.support.fake_pipeline"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(preload=[FAKE], scratch=tmp_path)
    yield made
    made.close()


def test_results_come_back_and_prints_do_not(
    supervisor: Supervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    assert supervisor.call(FAKE, "add", 1, 2) == 3
    assert supervisor.call(FAKE, "echo_bytes", b"\0" * (1 << 20)) == b"\0" * (1 << 20)
    assert capfd.readouterr().out == ""


def test_calls_share_a_warm_child(supervisor: Supervisor) -> None:
    assert supervisor.call(FAKE, "pid") == supervisor.call(FAKE, "pid") != os.getpid()


def test_a_refusal_is_passed_on_and_leaves_the_childalive(supervisor: Supervisor) -> None:
    before = supervisor.call(FAKE, "pid")
    with pytest.raises(RefusedError) as refused:
        supervisor.call(FAKE, "refuse")
    assert (refused.value.slug, refused.value.detail) == ("too-odd", "Its layers are odd.")
    assert supervisor.call(FAKE, "pid") == before


@pytest.mark.parametrize(
    ("function", "arguments", "ending", "told"),
    [
        ("segfault", (), ChildCrashedError, "SIGSEGV"),
        ("kill_itself", (), ChildKilledError, "SIGKILL"),
        ("exit_with", (3,), ChildExitedError, "code 3"),
        ("exit_with", (0,), ChildExitedError, "code 0"),
        ("sys_exit_with", (4,), ChildExitedError, "code 4"),
        ("exhaust", (), ChildOutOfMemoryError, "allocation"),
        ("fail_like_torch", (), ChildOutOfMemoryError, "allocation"),
        ("fill_the_disk", (), ChildDiskFullError, "disk was full"),
        ("fail", (), ChildUnexpectedError, "log"),
        ("not_json", (), ChildUnexpectedError, "log"),
        ("no_such_function", (), ChildUnexpectedError, "log"),
    ],
)
def test_each_ending_is_told_apart_and_survived(
    supervisor: Supervisor,
    function: str,
    arguments: tuple[int, ...],
    ending: type[ChildFailedError],
    told: str,
) -> None:
    with pytest.raises(ending, match=told):
        supervisor.call(FAKE, function, *arguments)
    assert supervisor.call(FAKE, "add", 1, 2) == 3


def test_tracebacks_go_to_the_log_only(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ChildUnexpectedError) as ending:
        supervisor.call(FAKE, "fail")
    assert "secret detail" not in str(ending.value.as_problem())
    assert "ValueError: secret detail" in caplog.text


def test_time_limit() -> None:
    supervisor = Supervisor(preload=[FAKE], seconds=0.5)
    with pytest.raises(ChildTimeLimitError):
        supervisor.call(FAKE, "loop")
    assert supervisor.call(FAKE, "add", 1, 2) == 3
    supervisor.close()


@pytest.mark.parametrize(("own", "asked"), [(400, None), (None, 400), (400, 600), (600, 400)])
def test_memory_budget(own: int | None, asked: int | None) -> None:
    supervisor = Supervisor(preload=[FAKE], memory_bytes=own and own << 20)
    with pytest.raises(ChildOutOfMemoryError, match="400 MiB"):
        supervisor.call(FAKE, "hoard", memory_bytes=asked and asked << 20)
    assert supervisor.call(FAKE, "add", 1, 2) == 3
    supervisor.close()


def test_freed_memory_is_kept_during_a_call(supervisor: Supervisor) -> None:
    faults, held = supervisor.call(FAKE, "allocate_twice")
    assert faults < 1000  # of 16,384 pages
    assert held - supervisor.call(FAKE, "resident") > 60 << 20


def test_ending_the_child_is_its_parents_business(supervisor: Supervisor) -> None:
    pid = supervisor.call(FAKE, "pid")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert supervisor.call(FAKE, "pid") == pid


def test_the_fork_server_may_go_with_the_child(supervisor: Supervisor, tmp_path: Path) -> None:
    def watch() -> None:
        if len(running := family(tmp_path)) == 2:
            child, _ = running
            psutil.Process(psutil.Process(child).ppid()).kill()  # and so the child

    with pytest.raises(ChildKilledError, match="gone"):
        supervisor.call(FAKE, "loop_with_grandchild", "pids", watch=watch)
    assert supervisor.call(FAKE, "add", 1, 2) == 3
    wait_until(lambda: not family(tmp_path))


def test_a_child_ends_with_the_fork_server(supervisor: Supervisor) -> None:
    child = psutil.Process(supervisor.call(FAKE, "pid"))
    psutil.Process(child.ppid()).kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert supervisor.call(FAKE, "add", 1, 2) == 3


def test_a_fork_server_that_is_just_dying(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, refusals = child_process.ChildProcess, iter([True, True, False])

    def refused_at_first(*arguments: Any) -> Any:
        if next(refusals):
            raise ForkServerGoneError
        return make(*arguments)

    monkeypatch.setattr(supervisor_module, "ChildProcess", refused_at_first)
    assert supervisor.call(FAKE, "add", 1, 2) == 3


def test_a_fork_server_that_can_not_start(capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor(preload=["no_such_module"])
    with pytest.raises(RuntimeError, match="log"):
        supervisor.call(FAKE, "add", 1, 2)
    supervisor.close()
    assert "no_such_module" in capfd.readouterr().err


def test_watch_ends_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_for_ever.py").write_text("import time\ntime.sleep(1e6)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    supervisor = Supervisor(preload=["imported_for_ever"], scratch=tmp_path)
    before = psutil.Process().children()

    def watch() -> None:
        if psutil.Process().children() != before:
            raise InterruptedError("stopping")

    with pytest.raises(InterruptedError, match="stopping"):
        supervisor.call(FAKE, "add", 1, 2, watch=watch)
    assert psutil.Process().children() == before
    supervisor.close()


def test_watch_ends_the_child_and_what_it_started(supervisor: Supervisor, tmp_path: Path) -> None:
    def watch() -> None:
        if family(tmp_path):
            raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError, match="cancelled"):
        supervisor.call(FAKE, "loop_with_grandchild", "pids", watch=watch)
    wait_until(lambda: not family(tmp_path))


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from worker.isolation.supervisor import Supervisor\n"
        f"supervisor = Supervisor(preload=[{FAKE!r}], scratch=Path({str(tmp_path)!r}))\n"
        f"supervisor.call({FAKE!r}, 'loop_with_grandchild', 'pids')\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait_until(lambda: len(family(tmp_path)) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not family(tmp_path))
