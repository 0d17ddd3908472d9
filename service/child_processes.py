"""Processes of ours that end with the one that started them.

Each reads its standard input from a pipe that nobody writes to. When the parent is gone, however it
went, the pipe ends, and the child stops as on SIGTERM (`service.parent_watch`): no signal can be
missed, and none is needed.
"""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO, Final, NamedTuple, Self

from narrows.own_path import own_environment

STOP_SECONDS: Final = 20


class Ended(NamedTuple):
    """A process that is gone; a negative status is the signal that killed it."""

    name: str
    pid: int
    status: int


class ChildProcesses:
    """Python modules that run as processes, by name; leaving the context ends them all."""

    def __init__(self, log: IO[bytes] | None = None) -> None:
        self._log = log
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __bool__(self) -> bool:
        """Tell whether any runs, or has ended and was not yet taken out by `take_ended`."""
        return bool(self._processes)

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        """Run `python -m ARGUMENTS…`; its output goes where this process's does, or to the log."""
        self._processes[name] = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", *arguments],
            env=own_environment(environment),
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=pass_fds,
            start_new_session=True,  # Ctrl-C reaches the parent only, which passes it on
        )

    def take_ended(self) -> list[Ended]:
        """Return, each once, the processes that have ended."""
        ended = []
        for name, process in list(self._processes.items()):
            if (status := process.poll()) is not None:
                ended.append(Ended(name, process.pid, status))
                self._forget(name)
        return ended

    def terminate(self) -> None:
        """Ask all to stop."""
        for process in self._processes.values():
            process.terminate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        until = time.monotonic() + STOP_SECONDS
        try:
            self.terminate()
            for process in self._processes.values():
                process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:  # also when Ctrl-C comes a second time
            for name, process in list(self._processes.items()):
                process.kill()
                process.wait()
                self._forget(name)

    def _forget(self, name: str) -> None:
        process = self._processes.pop(name)
        if process.stdin:
            process.stdin.close()
