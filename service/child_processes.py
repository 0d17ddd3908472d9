"""Child processes that end with their parent.

Each child reads its standard input from a pipe that nobody writes to. When the parent ends, for any
reason, the pipe closes and the child stops as on SIGTERM (`service.parent_watch`). This needs no
signal, so none can be missed.
"""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO, Final, NamedTuple, Self

from narrows.own_path import own_environment

STOP_SECONDS: Final = 20


class Ended(NamedTuple):
    """A process that has ended; a status of −N means that signal N killed it."""

    name: str
    pid: int
    status: int


class ChildProcesses:
    """Python modules that run as child processes, by name; leaving the context ends them all."""

    def __init__(self, log: IO[bytes] | None = None) -> None:
        self._log = log
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __bool__(self) -> bool:
        """Return whether a process runs, or has ended and `take_ended` has not returned it yet."""
        return bool(self._processes)

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        """Run `python -m ARGUMENTS…`; its output goes to the log, or to this process's output."""
        self._processes[name] = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", *arguments],
            env=own_environment(environment),
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=pass_fds,
            start_new_session=True,  # Ctrl-C reaches only the parent, which stops the children
        )

    def take_ended(self) -> list[Ended]:
        """Return the processes that have ended since the last call."""
        ended = []
        for name, process in list(self._processes.items()):
            if (status := process.poll()) is not None:
                ended.append(Ended(name, process.pid, status))
                self._forget(name)
        return ended

    def terminate(self) -> None:
        """Send SIGTERM to all processes."""
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
        finally:  # also after a second Ctrl-C
            for name, process in list(self._processes.items()):
                process.kill()
                process.wait()
                self._forget(name)

    def _forget(self, name: str) -> None:
        process = self._processes.pop(name)
        if process.stdin:
            process.stdin.close()
