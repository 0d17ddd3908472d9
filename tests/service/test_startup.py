"""A wrong setting is said at the start, in one line that names its environment variable."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import startup
from service.settings import Settings, SettingsError, get_settings, variable
from service.startup import checked_settings, unknown_variables
from tests.support.command_line import environment_of, line_of, processes_in, run_narrows, started
from tests.support.jobs import wait_until

COMMANDS = (
    ("api", "--port", "0"), ("up", "--port", "0"), ("worker",), ("migrate",), ("keys", "list"),
)  # fmt: skip
POSTGRESQL = "postgresql://nobody:hush@127.0.0.1:1/none"
WRONG = [
    ("DATABASE_URL", "mysql://u:hush@host/name", "mysql://"),
    ("DATABASE_URL", "postgresql+asyncpg://u:hush@host/name", "postgresql://user"),
    ("DATABASE_URL", "postgresql://u:hush@host:port/name", "%40"),
    ("DATABASE_URL", "narrows.db", "no URL"),
    ("DATABASE_URL", "sqlite://", "in memory"),
    ("DATABASE_URL", "sqlite:///:memory:", "in memory"),
    ("BROKER_URL", "reddis://:hush@host", "Did you mean redis://?"),
    ("BROKER_URL", "kafka://host", "kafka://"),
    ("BROKER_URL", "memory://", "memory://"),
    ("BROKER_URL", "localhost:6379", "redis://host"),
    ("BROKER_URL", "redis://host:hush/0", "no URL"),
    ("BROKER_URL", "redis://host/zero", "number of a Redis database"),
    ("STORAGE_URL", "memory:///", "not shared"),
    ("STORAGE_URL", "/files", "no URL"),
    ("STORAGE_URL", "file://files", "three slashes"),
    ("STORAGE_URL", "file:files", "no URL"),
    ("STORAGE_URL", "file:///", "three slashes"),
    ("STORAGE_URL", "file:///a?b", "%3F"),
    ("STORAGE_URL", "s3:///prefix", "bucket"),
    ("STORAGE_URL", "ftp://host/files", "ftp://"),
    ("SECRET", "hush", "16 or more characters"),
    ("DEVICE", "gpu", "'auto', 'cpu' or 'cuda'"),
    ("SANDBOX", "maybe", "'require'"),
    ("LOG_LEVEL", "debug", "'DEBUG'"),
    ("LOG_FORMAT", "xml", "'json'"),
    ("METRICS_ACCESS", "all", "'anyone'"),
    ("METRICS_PORT", "http", "whole number"),
    ("METRICS_PORT", "65536", "65535 or less"),
    ("CACHE_BYTES", "20G", "whole number"),
    ("MAX_UPLOAD_BYTES", "0", "1 or more"),
    ("WEBHOOK_PRIVATE", "maybe", "true or false"),
    ("KEEP_UPLOADS_DAYS", "0", "greater than 0"),
    ("KEEP_RESULTS_DAYS", "a month", "a number"),
    ("KEEP_ARTIFACTS_DAYS", "1e6", "36500 or less"),
    ("UPLOAD_SESSION_SECONDS", "nan", "finite"),
    ("MAX_CONNECTIONS", "0", "1 or more"),
    ("MAX_CONNECTIONS_PER_ADDRESS", "many", "whole number"),
    ("MAX_STREAMS_PER_KEY", "0", "1 or more"),
    ("HEADER_SECONDS", "0", "greater than 0"),
    ("STALL_SECONDS", "inf", "finite"),
    ("IDLE_SECONDS", "0", "1 or more"),
    ("LIMIT_ANALYSES", "-1", "0 or more"),
    ("LIMIT_TRIALS", "some", "whole number"),
    ("LARGEST_SUMS_BYTES", "-1", "0 or more"),
    ("LIMIT_BYTES", "1TB", "whole number"),
    ("LIMIT_UPLOADS_PER_DAY", "-1", "0 or more"),
    ("LIMIT_REQUESTS_PER_SECOND", "0", "1 or more"),
    ("INSPECTION_SECONDS", "0", "greater than 0"),
    ("TRUSTED_PROXIES", "*", "as in 10.0.0.2, 172.30.0.0/24"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
    ("SHARD_SAMPLES", "1.5", "whole number"),
    ("CHECKPOINT_SECONDS", "0", "greater than 0"),
    ("LEASE_SECONDS", "0", "greater than 0"),
    ("LEASE_SECONDS", "nan", "finite"),
    ("TIME_LIMIT_SECONDS", "an hour", "a number"),
    ("MAX_ATTEMPTS", "-1", "1 or more"),
    ("MEMORY_BYTES", "8GiB", "whole number"),
]


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("NARROWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.parametrize(("field", "value", "told"), WRONG)
def test_a_wrong_value(field: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"NARROWS_{field}", value)
    with pytest.raises(SettingsError) as caught:
        get_settings()
    message = str(caught.value)
    assert message.startswith(f"NARROWS_{field} ")
    assert told in message
    assert "hush" not in message
    assert not {"\n", "^", "\\", "Input"} & set(message)


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    free = {"data", "handover", "metrics_host"}
    assert {field for field, *_ in WRONG} == {
        f.upper() for f in Settings.model_fields.keys() - free
    }


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.keys() - {"data"}:
        monkeypatch.setenv(variable(field), "")
    assert get_settings() == Settings()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_says_so(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run_narrows(tmp_path, *command, NARROWS_DATABASE_URL="mysql://u:hush@host/name")
    assert done.returncode == 1
    assert done.stderr.startswith("NARROWS_DATABASE_URL can't be used. Narrows can't use mysql://.")
    assert done.stderr.count("\n") == 1
    assert "hush" not in done.stderr


def test_a_worker_process_says_so_too(tmp_path: Path) -> None:
    environment = environment_of(tmp_path, NARROWS_MAX_ATTEMPTS="many")
    done = subprocess.run(
        [sys.executable, "-m", "worker"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1, "NARROWS_MAX_ATTEMPTS is 'many'. It must be a whole number.\n",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["api", "up", "keys"])
def test_postgresql_needs_a_secret(
    command: startup.Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NARROWS_DATABASE_URL", POSTGRESQL)
    with pytest.raises(SettingsError, match=r"^NARROWS_SECRET is not set") as caught:
        checked_settings(command)
    assert "same" in str(caught.value)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "secret").write_text("of an earlier version")
    _, remarks = checked_settings(command)
    assert [r for r in remarks if r.startswith("NARROWS_SECRET is not set")]

    monkeypatch.setenv("NARROWS_SECRET", "sixteen or more characters")
    get_settings.cache_clear()
    assert checked_settings(command)[1] == []


def test_who_knows_no_keys_needs_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARROWS_DATABASE_URL", POSTGRESQL)
    assert checked_settings("worker")[1] == checked_settings("migrate")[1] == []


def test_files_that_can_not_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NARROWS_STORAGE_URL", (tmp_path / "file" / "files").as_uri())
    with pytest.raises(SettingsError, match=r"NARROWS_STORAGE_URL: Not a directory"):
        checked_settings("worker")
    monkeypatch.setenv("NARROWS_STORAGE_URL", "az://container/prefix")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match=r"NARROWS_STORAGE_URL: .*Account must be specified"):
        checked_settings("api")


def test_a_data_folder_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match=r"NARROWS_DATA is .*it is a file"):
        get_settings()


def test_a_data_folder_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(SettingsError, match=r"NARROWS_DATA is .*may not write"):
        checked_settings("worker")


def test_a_database_out_of_reach(tmp_path: Path) -> None:
    done = run_narrows(tmp_path, "migrate", NARROWS_DATABASE_URL=POSTGRESQL)
    assert done.returncode == 1
    assert done.stderr.startswith("The database can't be used: ")
    assert done.stderr.endswith("(see NARROWS_DATABASE_URL)\n")
    assert "hush" not in done.stderr


def test_too_few_ports(tmp_path: Path) -> None:
    done = run_narrows(tmp_path, "worker", "--workers", 2, NARROWS_METRICS_PORT="65534")
    assert done.returncode == 1
    assert done.stderr.startswith("NARROWS_METRICS_PORT is 65534")


def test_misspelt_variables() -> None:
    kubernetes = ("NARROWS_SERVICE_HOST", "NARROWS_PORT", "NARROWS_PORT_8000_TCP_ADDR")
    known = ("NARROWS_DATA", "NARROWS_URL", "NARROWS_API_KEY", "NARROWS_ANSWER_SECONDS", "PATH")
    named = dict.fromkeys((*kubernetes, *known, "NARROWS_DATABSE_URL", "NARROWS_COLOUR"), "x")
    assert unknown_variables(named) == ["NARROWS_COLOUR", "NARROWS_DATABSE_URL"]


def test_commands_warn_and_go_on(tmp_path: Path) -> None:
    typo = {"NARROWS_DATABSE_URL": "postgresql://host/name"}
    expected = "NARROWS_DATABSE_URL is no setting of Narrows; did you mean NARROWS_DATABASE_URL?"
    for arguments in (("migrate",), ("keys", "create", "--owner", "me")):
        done = run_narrows(tmp_path, *arguments, **typo)
        assert done.returncode == 0
        assert done.stderr.startswith(f"Warning: {expected}\n")
    assert done.stdout.startswith("nrw_")


def test_an_absent_redis_is_a_warning(tmp_path: Path) -> None:
    url = "redis://:hush@127.0.0.1:1/0"
    with started(tmp_path, "api", "--port", 0, NARROWS_BROKER_URL=url) as api:
        first = line_of(api, "", "stderr")
        wait_until(lambda: any(p.net_connections() for p in processes_in(tmp_path)))
        api.send_signal(signal.SIGTERM)
        api.communicate(timeout=60)
    assert api.returncode == 0
    assert "hush" not in first
    assert "NARROWS_BROKER_URL" in first
    assert "does not answer" in first
