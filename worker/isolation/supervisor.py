"""Runs the heavy work in a child process, within limits of time and memory.

A fork server, which has imported torch, starts the child: a new child takes a tenth of a second, a
call into a running one less than a millisecond. This process never imports torch itself, since a
process must not fork after torch has run in it.
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
FORK_SERVER_GONE: Final = 255  # multiprocessing then reports this exit code for all children
DYING_TRIES: Final = 4
CALLS_PER_CHILD: Final = 100  # leaked memory counts in the budgets of later calls

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
        """Start the child before the first call."""
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
        """Run the function in the child; return its result, which must be bytes or plain JSON.

        `watch` is called repeatedly; if it raises, the child is killed and the error passed on.
        `memory_bytes` applies if it is less than the supervisor's own budget. Raises RefusedError
        if the function does, and ChildFailedError if it ends without a result.
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
            time.sleep(TICK)  # the fork server is dying, and multiprocessing does not know it yet
        return _Child(self._context)

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _wait(self, warm: "_Child", watch: Callable[[], None], budget: int | None) -> None:
        """Return when the child has sent something, or has ended."""
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
        with suppress(ConnectionError):  # the child has died; `receive` raises the reason
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
                "An allocation failed, even with smaller batches if the network allows them."
            )
        if kind == "disk":
            raise ChildDiskFullError("The worker's disk was full while it wrote what it built.")
        raise ChildUnexpectedError(f"The worker's log has the cause, under fault {reference}.")

    def _post_mortem(self) -> ChildFailedError:
        self._process.join(5)
        code = self._process.exitcode or 0
        if code == FORK_SERVER_GONE:
            return ChildKilledError("Its process and the fork server are gone; why is unknown.")

        if code >= 0:
            return ChildExitedError(f"Its process exited with code {code}.")
        name = signal.Signals(-code).name
        if -code == signal.SIGKILL:
            return ChildKilledError(
                f"Its process was ended by {name}, as the system does when memory runs out."
            )
        return ChildCrashedError(f"Its process was ended by {name}.")

    def memory(self) -> int:
        """Return the resident memory of the child and its descendants, in bytes."""
        try:
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(member.memory_info().rss for member in family)
        except psutil.Error:
            return 0  # it is ending, which the connection will show

    def kill(self) -> None:
        pid = self._process.pid
        if pid is not None:
            with suppress(ProcessLookupError):  # it has ended, or does not lead its group yet
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()
