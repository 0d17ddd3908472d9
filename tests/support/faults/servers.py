"""A Redis and a PostgreSQL of the tests' own, to be killed, frozen, emptied and restarted."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
import redis

from tests.support.jobs import wait_until

CAP_SYS_ADMIN = 21


def can_not_test(why: str) -> NoReturn:
    """Skip the test; where CI runs, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}, and CI must test it")
    pytest.skip(why)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class RedisServer:
    """A redis-server that keeps nothing on disk."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        wait_until(lambda: _works(self.client.ping, redis.RedisError))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)


class PostgresServer:
    """A cluster in a folder of its own, run by an unprivileged user, as it demands."""

    def __init__(self, folder: Path) -> None:
        (self._bin,) = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
        self._folder = folder
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres")
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
        self.start()

    def start(self) -> None:
        # Without fsync: the machine is not going to fail, only the processes.
        options = f"-p {self.port} -h 127.0.0.1 -k '' -F"
        self._run("pg_ctl", "start", "--wait", "-o", options, "-l", str(self._folder / "log"))

    def crash(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "-m", "immediate")

    def cut_connections(self) -> int:
        """End all connections; return how many there were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            others = "SELECT pid FROM pg_stat_activity WHERE datname = 'postgres'"
            cut = f"SELECT pg_terminate_backend(pid) FROM ({others} AND pid <> pg_backend_pid()) p"
            return len(connection.execute(cut).fetchall())

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._bin / program), "-D", str(self._folder), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        can_not_test("There is no redis-server")
    server = RedisServer()
    try:
        yield server
    finally:
        server.client.close()
        server.kill()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        can_not_test("There is no initdb of PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="narrows-postgres-") as name:
        server = PostgresServer(Path(name))
        try:
            yield server
        finally:
            server.crash()


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[bool]:
    """Mount a file system of this size at `folder`; yield False where nobody may do that."""
    capabilities = Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0]
    if not int(capabilities, 16) >> CAP_SYS_ADMIN & 1:
        yield False
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    subprocess.run(command, check=True)
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _works(call: Callable[[], object], error: type[Exception]) -> bool:
    try:
        call()
    except error:
        time.sleep(0.05)
        return False
    return True
