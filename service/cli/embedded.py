"""The embedded service: API and workers as child processes that end with this one.

Each child reads its standard input from a pipe that nobody writes to. When this process is gone,
however it went, the pipe ends, and the child stops as on SIGTERM.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Self

from service.cli.errors import CommandError
from service.settings import Settings

STOP_SECONDS = 20


class Children:
    """Processes that run commands of `narrows`; leaving the context ends them all."""

    def __init__(self, environment: dict[str, str], log: IO[bytes] | None) -> None:
        self._environment, self._log = environment, log
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
        self._processes[name] = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "service.cli", "--tied", *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=pass_fds,
            start_new_session=True,  # Ctrl-C reaches this process only, which passes it on
        )

    def check(self) -> None:
        """Raise CommandError if one has ended."""
        for name, process in self._processes.items():
            if (status := process.poll()) is not None:
                how = f"was killed by signal {-status}" if status < 0 else f"exited with {status}"
                raise CommandError(f"The {name} {how}; stopped everything.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        until = time.monotonic() + STOP_SECONDS
        try:
            for process in self._processes.values():
                process.terminate()
            for process in self._processes.values():
                process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:  # also when Ctrl-C comes a second time
            for process in self._processes.values():
                process.kill()
                process.wait()
                assert process.stdin is not None  # noqa: S101
                process.stdin.close()


@contextmanager
def embedded_service(
    settings: Settings,
    listener: socket.socket,
    workers: int | None = None,
    log: IO[bytes] | None = None,
) -> Iterator[Children]:
    """Serve at `listener` with workers of their own, whose output goes to `log`, if given."""
    environment = {
        **os.environ,
        "NARROWS_DATA": str(settings.data),
        "NARROWS_DATABASE_URL": settings.database_url,
        "NARROWS_BROKER_URL": settings.broker_url,
        "NARROWS_STORAGE_URL": settings.storage_url,
    }
    environment.setdefault("NARROWS_LOG_LEVEL", "WARNING")  # nobody asked for a line a request
    count = [] if workers is None else ["--workers", str(workers)]
    with Children(environment, log) as children:
        with listener:  # the API has its own copy
            descriptor = listener.fileno()
            children.start("API", "api", "--fd", str(descriptor), pass_fds=(descriptor,))
        children.start("worker", "worker", *count)
        yield children
