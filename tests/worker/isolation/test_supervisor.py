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

from tests.support.jobs import alive, wait_until
from worker.errors import RefusedError
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
from worker.isolation.supervisor import Supervisor

FAKE = "tests.support.fake_pipeline"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor(preload=[FAKE])
    yield made
    made.close()


def test_results_come_back_and_prints_do_not(
    supervisor: Supervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    assert supervisor.call(FAKE, "add", 1, 2) == 3
    assert supervisor.call(FAKE, "echo_bytes", b"\0" * (1 << 20)) == b"\0" * (1 << 20)
    assert capfd.readouterr().out == ""


def test_calls_share_a_warm_child(supervisor: Supervisor) -> None:
    supervisor.warm()
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


def test_ending_the_child_is_its_parents_business(supervisor: Supervisor) -> None:
    pid = supervisor.call(FAKE, "pid")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert supervisor.call(FAKE, "pid") == pid


def test_the_fork_server_may_go_with_the_child(supervisor: Supervisor, tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def watch() -> None:
        if pids.exists():
            child, _ = alive(pids)
            os.kill(psutil.Process(child).ppid(), signal.SIGKILL)
            os.kill(child, signal.SIGKILL)

    with pytest.raises(ChildKilledError, match="gone"):
        supervisor.call(FAKE, "loop_with_grandchild", str(pids), watch=watch)
    assert supervisor.call(FAKE, "add", 1, 2) == 3
    wait_until(lambda: not alive(pids))


def test_a_fork_server_that_is_just_dying(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, refusals = supervisor_module._Child, iter([True, True, False])

    def refused_at_first(*arguments: Any) -> Any:
        if next(refusals):
            raise ConnectionRefusedError
        return make(*arguments)

    monkeypatch.setattr(supervisor_module, "_Child", refused_at_first)
    assert supervisor.call(FAKE, "add", 1, 2) == 3


def test_watch_ends_the_child_and_what_it_started(supervisor: Supervisor, tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def watch() -> None:
        if pids.exists():
            raise InterruptedError("cancelled")

    with pytest.raises(InterruptedError, match="cancelled"):
        supervisor.call(FAKE, "loop_with_grandchild", str(pids), watch=watch)
    wait_until(lambda: not alive(pids))


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        "from worker.isolation.supervisor import Supervisor\n"
        f"Supervisor(preload=[]).call({FAKE!r}, 'loop_with_grandchild', {str(pids)!r})\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait_until(pids.exists)
    assert len(alive(pids)) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not alive(pids))
