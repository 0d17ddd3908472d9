"""A warm child process for the heavy work, and a close eye on it.

The child comes from a fork server that has torch imported: a new one takes a tenth of a second, a
call into a warm one well under a millisecond. This process never imports torch itself, since a
process must not fork once torch has run in it.
"""

import json
import logging
import multiprocessing
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

import psutil
from structlog.contextvars import get_contextvars

from worker.errors import RefusedError
from worker.isolation import child
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

TICK: Final = 0.25
FORK_SERVER_GONE: Final = 255  # what multiprocessing says then of all its children
DYING_TRIES: Final = 4
CALLS_PER_CHILD: Final = 100  # what leaks, leaks into somebody else's memory budget

log = logging.getLogger(__name__)


class Supervisor:
    """Runs functions in a child process, each within a time limit and a memory budget.

    `preload` names the modules that the fork server imports, for all the supervisors of a process.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = ("torch", "worker.pipeline.steps"),
        seconds: float | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([child.__name__, *preload])
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def warm(self) -> None:
        """Start the child ahead of the first call."""
        with self._lock:
            self._ready_child()

    def call(
        self,
        module: str,
        function: str,
        *arguments: Any,
        watch: Callable[[], None] = lambda: None,
        memory_bytes: int | None = None,
    ) -> Any:
        """Return what the function returns in the child, which must be bytes or plain JSON.

        `watch` is called all the while, and what it raises ends the child and is passed on;
        `memory_bytes` counts where it is less than the supervisor's own. Raises RefusedError where
        the function does, and a ChildFailedError for every other ending.
        """
        budget = min(filter(None, (memory_bytes, self._memory_bytes)), default=None)
        with self._lock:
            warm = self._ready_child()
            try:
                warm.send((module, function, arguments, get_contextvars()))
                self._wait(warm, watch, budget)
                return warm.receive()
            except RefusedError:
                raise
            except BaseException:
                self._end_child()
                raise

    def close(self) -> None:
        with self._lock:
            self._end_child()

    def _ready_child(self) -> "_Child":
        if self._child is None or not self._child.is_usable():
            self._end_child()
            self._child = self._new_child()
        return self._child

    def _new_child(self) -> "_Child":
        for _ in range(DYING_TRIES):
            with suppress(ConnectionError):
                return _Child(self._context)
            time.sleep(TICK)  # the fork server is about to die, but not yet known to be dead
        return _Child(self._context)

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _wait(self, warm: "_Child", watch: Callable[[], None], budget: int | None) -> None:
        """Return once the child has something to say, or is gone."""
        started = time.monotonic()
        while not warm.poll(TICK):
            watch()
            if self._seconds is not None and time.monotonic() - started > self._seconds:
                raise ChildTimeLimitError(f"It took more than {self._seconds:g} seconds.")
            if budget is not None and warm.memory() > budget:
                raise ChildOutOfMemoryError(
                    f"It needed more than the {budget / (1 << 20):,.0f} MiB of its budget. "
                    "An analysis needs less with a smaller `batch_size`."
                )


class _Child:
    def __init__(self, context: multiprocessing.context.ForkServerContext) -> None:
        self._connection, theirs = context.Pipe()
        self._process: ForkServerProcess = context.Process(target=child.serve, args=(theirs,))
        self._process.start()
        theirs.close()
        self._calls = 0

    def is_usable(self) -> bool:
        return self._process.is_alive() and self._calls < CALLS_PER_CHILD

    def send(self, call: tuple[Any, ...]) -> None:
        self._calls += 1
        with suppress(ConnectionError):  # it has died, which `receive` tells in detail
            self._connection.send(call)

    def poll(self, seconds: float) -> bool:
        return self._connection.poll(seconds)

    def receive(self) -> Any:
        try:
            kind, value = json.loads(self._connection.recv_bytes())
            if kind == "bytes":
                return self._connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            raise self._post_mortem() from None
        if kind == "json":
            return value
        if kind == "refused":
            raise RefusedError(*value)
        reference = secrets.token_hex(4)
        log.error("fault %s, the child reports:\n%s", reference, value)
        if kind == "memory":
            raise ChildOutOfMemoryError(
                "An allocation failed, also with smaller batches where the network allows them."
            )
        if kind == "disk":
            raise ChildDiskFullError("The worker's disk was full while it wrote what it built.")
        raise ChildUnexpectedError(f"The worker's log says what, under fault {reference}.")

    def _post_mortem(self) -> ChildFailedError:
        self._process.join(5)
        code = self._process.exitcode or 0
        if code == FORK_SERVER_GONE:
            return ChildKilledError("Its process is gone, and the one that would know why.")
        if code >= 0:
            return ChildExitedError(f"Its process exited with code {code}.")
        name = signal.Signals(-code).name
        if -code == signal.SIGKILL:
            return ChildKilledError(
                f"Its process was ended by {name}, as the system does when memory runs out."
            )
        return ChildCrashedError(f"Its process was ended by {name}.")

    def memory(self) -> int:
        """Return the resident bytes of the child and of what it started."""
        try:
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(member.memory_info().rss for member in family)
        except psutil.Error:
            return 0  # it is on its way out, and the connection will tell

    def kill(self) -> None:
        pid = self._process.pid
        if pid is not None:
            with suppress(ProcessLookupError):  # gone, or too young to lead a group
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()
