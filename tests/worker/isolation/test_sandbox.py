"""Code that runs in the product's own child gets nowhere: each attack is really made."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worker.isolation import landlock, sandbox
from worker.isolation.errors import ChildUnexpectedError
from worker.isolation.supervisor import Supervisor

ESCAPES = "tests.support.escapes"
SECRET = "NARROWS_SECRET"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with what other owners and the operator keep."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("api-key", "secret", "narrows.db", "other-owners-file"):
        (folder / name).write_text("secret")
    return folder


@pytest.fixture(scope="module")
def supervisor(data: Path) -> Iterator[Supervisor]:
    with pytest.MonkeyPatch.context() as patch:
        for name in (SECRET, "NARROWS_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"):
            patch.setenv(name, "postgresql://u:secret@h/d" if "URL" in name else "secret" * 4)
        made = Supervisor(preload=[ESCAPES], scratch=data / "scratch")
        made.missing_layers()
    yield made
    made.close()


def refuse(supervisor: Supervisor, caplog: pytest.LogCaptureFixture, name: str, *of: Any) -> None:
    """Require that the attack fails because the system refuses it."""
    caplog.clear()
    with pytest.raises(ChildUnexpectedError):
        pytest.fail(f"{name} got {supervisor.call(ESCAPES, name, *of)!r}")
    last = caplog.text.strip().splitlines()[-1]
    assert any(word in last for word in ("PermissionError", "not permitted")), caplog.text


def test_all_layers_but_the_user_hold(supervisor: Supervisor) -> None:
    """As root, `user` is missing where nobody else can read Python's own files."""
    missing = supervisor.missing_layers()
    assert missing is not None
    assert set(missing) <= {"user"}


@pytest.mark.parametrize("name", ["api-key", "secret", "narrows.db", "other-owners-file"])
def test_no_file_of_the_data_folder_is_read_written_or_deleted(
    supervisor: Supervisor, data: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    for attack in ("read", "write", "delete"):
        refuse(supervisor, caplog, attack, str(data / name))
    assert (data / name).read_text() == "secret"


PARENT = f"/proc/{os.getpid()}"


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/passwd", "/proc/1/environ", "environ", "cmdline", "maps"]
)
def test_no_file_of_the_system_is_read(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Names without a folder are of the parent process."""
    refuse(supervisor, caplog, "read", str(Path(PARENT, path)))


@pytest.mark.parametrize("folder", ["/", "/root", "/home", "/tmp", "/var", "/proc"])
def test_no_folder_is_listed(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, folder: str
) -> None:
    refuse(supervisor, caplog, "list_folder", folder)


@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp", "/dev/shm", "/usr", str(Path.home()), ".."])
def test_nothing_is_written_outside(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, folder: str
) -> None:
    refuse(supervisor, caplog, "write", f"{folder}/narrows-attack")
    assert not Path(folder, "narrows-attack").exists()


def test_the_environment_has_no_secret(supervisor: Supervisor) -> None:
    environment = supervisor.call(ESCAPES, "environment")
    assert "secret" not in str(environment)
    assert {SECRET, "NARROWS_DATABASE_URL", "PGPASSWORD"}.isdisjoint(environment)
    assert SECRET not in supervisor.call(ESCAPES, "read", "/proc/self/environ")


@pytest.mark.parametrize(
    "attack", ["run_program", "listen", "send_packet", "new_namespace", "leave_the_group"]
)
def test_no_program_socket_or_namespace(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, attack: str
) -> None:
    refuse(supervisor, caplog, attack)


def test_no_shell_is_forked(supervisor: Supervisor) -> None:
    assert supervisor.call(ESCAPES, "fork_a_shell") == 7


@pytest.mark.parametrize("port", [5432, 6379])
def test_no_connection_to_database_and_broker(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, port: int
) -> None:
    refuse(supervisor, caplog, "connect", "127.0.0.1", port)
    refuse(supervisor, caplog, "connect_locally", "/var/run/postgresql/.s.PGSQL.5432")


def test_no_other_process_is_reached(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    arrived = []
    before = signal.signal(signal.SIGUSR1, lambda *_: arrived.append(1))
    try:
        for attack in ("signal_process", "trace", "read_memory"):
            refuse(supervisor, caplog, attack, os.getpid())
        refuse(supervisor, caplog, "signal_everybody")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not arrived


def test_root_can_not_come_back(supervisor: Supervisor, caplog: pytest.LogCaptureFixture) -> None:
    if os.getuid() == 0 and "user" in (supervisor.missing_layers() or {}):
        pytest.skip("the child is root without capabilities")
    refuse(supervisor, caplog, "become_root")


def test_a_call_reads_its_files_only_and_can_not_change_them(
    supervisor: Supervisor, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upload = data / "upload"
    upload.write_text("layers")
    upload.chmod(0o600)
    files = [str(upload)]
    assert supervisor.call(ESCAPES, "read_given", str(upload), files=files) == "layers"
    with pytest.raises(ChildUnexpectedError):
        supervisor.call(ESCAPES, "read_reopened", str(upload), files=files)
    assert "PermissionError" in caplog.text
    assert supervisor.call(ESCAPES, "open_files") == []  # closed after the call
    refuse(supervisor, caplog, "read_given", str(upload))


def test_a_call_writes_into_its_folder_and_makes_no_links(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    with supervisor.folder() as folder:
        supervisor.call(ESCAPES, "write", f"{folder.name}/built.pt2")
        assert (folder / "built.pt2").read_text() == "mine"
    assert not folder.exists()
    refuse(supervisor, caplog, "link", "/etc/shadow")


def test_a_child_serves_one_owner(data: Path) -> None:
    supervisor = Supervisor(preload=["tests.support.fake_pipeline"], scratch=data / "owners")

    def pid(owner: str | None) -> int:
        return int(supervisor.call("tests.support.fake_pipeline", "pid", owner=owner))

    first = pid("ann")
    assert pid("ann") == first
    assert pid("bob") != first
    assert pid("bob") != first
    assert pid(None) != first
    supervisor.close()


def test_without_a_sandbox_nothing_is_missing_and_the_environment_is_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SECRET, "secret" * 4)
    supervisor = Supervisor(preload=[ESCAPES], sandboxed=False)
    assert supervisor.missing_layers() is None
    assert supervisor.call(ESCAPES, "run_program") == "ran\n"
    assert SECRET not in supervisor.call(ESCAPES, "environment")
    supervisor.close()


def test_a_kernel_without_landlock_is_told_and_the_rest_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a process of its own, since nothing of a sandbox can be undone."""
    program = (
        "from worker.isolation import landlock\n"
        "from worker.isolation.sandbox import Sandbox\n"
        "landlock.CREATE_RULESET = 9999\n"
        "missing = Sandbox().enter()\n"
        "import subprocess\n"
        "print('landlock' in missing, missing['landlock'])\n"
        "try: subprocess.run(['/bin/true'])\n"
        "except PermissionError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "True [Errno 38] Landlock: Function not implemented",
        "refused",
    ]


def test_packages_outside_of_python_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of a user, or of `PYTHONPATH`; other folders there may hold more than packages."""
    mine, other = tmp_path / "lib" / "site-packages", tmp_path / "projects"
    for folder in (mine, other):
        folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(mine), str(other)])
    assert mine in sandbox.interpreter()
    assert other not in sandbox.interpreter()


def test_versions_of_landlock() -> None:
    assert landlock.version() >= 1
