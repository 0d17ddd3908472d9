"""A whole service as its users run it: an API process and workers, on one pair of servers."""

import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from narrows.client import Client
from service.cli.prepare import local_key
from service.database.engine import make_engine
from service.database.migrate import upgrade
from service.settings import Settings
from tests.support.command_line import environment_of, processes_in
from tests.support.faults.servers import PostgresServer, RedisServer, free_port
from tests.support.jobs import wait_until

ROOT = Path(__file__).parents[3]
WORKERS = 2
PATIENCE = 120.0
"""Seconds until a test gives up; what is to be expected is far less, and printed."""


@dataclass(frozen=True)
class Pair:
    """What the service stands on: PostgreSQL and Redis, or else SQLite and a folder."""

    name: str
    postgres: PostgresServer | None = None
    redis: RedisServer | None = None


class Worker:
    """A worker process with its fork server and its child, as far as they are there."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process

    @property
    def child(self) -> psutil.Process | None:
        """The process that computes: the one that the fork server has forked."""
        with suppress(psutil.NoSuchProcess):
            for below in self.process.children():
                for child in below.children():
                    if child.status() != psutil.STATUS_ZOMBIE:  # as after a kill
                        return child
        return None


class Site:
    """The service in the folder `data`; `log` takes what its processes print."""

    def __init__(self, pair: Pair, data: Path, log: IO[bytes], *, small_disk: bool) -> None:
        self.pair, self.data, self._log = pair, data, log
        self.has_small_disk = small_disk
        self.settings = Settings(
            data=data,
            database_url=pair.postgres.url if pair.postgres else "",
            broker_url=pair.redis.url if pair.redis else "",
            storage_url="",
        )
        self.environment = environment_of(
            data,
            NARROWS_DATABASE_URL=self.settings.database_url,
            NARROWS_BROKER_URL=self.settings.broker_url,
            NARROWS_DEVICE="cpu",
            NARROWS_SHARD_SAMPLES="1",
            NARROWS_CHECKPOINT_SECONDS="0.2",
            NARROWS_LEASE_SECONDS="4",
            OMP_NUM_THREADS="1",
        )
        upgrade(self.settings)
        self.engine = make_engine(self.settings.resolved_database_url)
        self.key, _ = local_key(self.settings)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.http = self.new_http()
        self.client = Client(self.url, self.key)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._connections: list[socket.socket] = []

    def keep(self, connection: socket.socket) -> None:
        """Leave the connection open until the end."""
        self._connections.append(connection)

    def new_http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def run(self, name: str, *command: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start a process of the service, which ends with the tests however these end."""
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return self._processes[name]

    def start_api(self) -> None:
        port = self.url.rpartition(":")[2]
        self.run("api", "narrows", "--tied", "api", "--port", port)
        wait_until(self.answers, PATIENCE)

    def kill_api(self) -> None:
        self.end("api", kill=True)

    def start_workers(self, **environment: str) -> None:
        options = ("--workers", str(WORKERS), "--pipeline", "tests.support.faults.pipeline")
        self.run("workers", "narrows", "--tied", "worker", *options, **environment)
        wait_until(lambda: len(self.warm_workers()) == WORKERS + 1, PATIENCE)

    def end(self, name: str, *, kill: bool = False) -> None:
        process = self._processes.pop(name)
        process.kill() if kill else process.terminate()
        process.wait(PATIENCE)
        if process.stdin:
            process.stdin.close()

    def close(self) -> None:
        """End everything; fail if a process is left."""
        for name in list(self._processes):
            self.end(name)
        wait_until(lambda: not processes_in(self.data), PATIENCE)
        for connection in self._connections:
            connection.close()
        self.http.close()
        self.client.close()
        self.engine.dispose()

    def answers(self) -> bool:
        with suppress(httpx.TransportError):
            return self.http.get("/livez").is_success
        return False

    def workers(self) -> list[Worker]:
        """Return the worker processes that compute or inspect, started or starting."""
        launcher = psutil.Process(self._processes["workers"].pid)
        running = (p for p in launcher.children() if p.status() != psutil.STATUS_ZOMBIE)
        return [Worker(process) for process in running]

    def warm_workers(self) -> list[Worker]:
        return [worker for worker in self.workers() if worker.child]

    def holder(self, leased_by: str) -> Worker | None:
        """Return the worker that calls itself so."""
        pid = int(leased_by.rpartition(":")[2])
        return next((worker for worker in self.workers() if worker.process.pid == pid), None)

    def orphans(self) -> list[psutil.Process]:
        """Return processes of the service that nobody who was started has under them."""
        family: set[int] = set()
        for process in self._processes.values():
            with suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                family |= {p.pid for p in [parent, *parent.children(recursive=True)]}
        return [process for process in processes_in(self.data) if process.pid not in family]

    def upload(self, folder: Path, prefix: str = "") -> tuple[str, str]:
        """Upload the network and the data in `folder`, and wait until both are inspected."""
        model = self.client.models.upload(folder / f"{prefix}model.pt2").id
        dataset = self.client.datasets.upload(folder / f"{prefix}data.npz").id
        return self.client.models.wait(model).id, self.client.datasets.wait(dataset).id


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self._began

    def until(self, condition: Any) -> float:
        """Wait for the condition; return how long it took in all."""
        wait_until(condition, PATIENCE)
        return self()
