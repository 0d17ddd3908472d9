"""Runs the heavy work in a child process, in a sandbox, within limits of time and memory.

A fork server, which has imported torch, forks the child: a new child takes a tenth of a second, a
call into a running one less than a millisecond. This process never imports torch itself, since a
process must not fork after torch has run in it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final

from structlog.contextvars import get_contextvars

from worker.errors import RefusedError
from worker.isolation import privileges, sandbox
from worker.isolation.child_process import ChildProcess
from worker.isolation.errors import ChildOutOfMemoryError, ChildTimeLimitError
from worker.isolation.fork_server import TICK, ForkServer, ForkServerGoneError
from worker.isolation.scratch import Scratch

FORK_TRIES: Final = 4
Watch = Callable[[], None]


class Supervisor:
    """Runs functions in a child process, each within a time limit and a memory budget.

    `preload` names the modules that the fork server imports. The child writes to a folder below
    `scratch` only, if it is `sandboxed`.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = ("torch", "worker.pipeline.steps"),
        seconds: float | None = None,
        memory_bytes: int | None = None,
        scratch: Path | None = None,
        sandboxed: bool = True,
    ) -> None:
        user = privileges.unprivileged_user(sandbox.needed()) if sandboxed else None
        self._preload = preload
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._scratch = Scratch(scratch, user)
        self._sandbox = {"user": user, "memory_bytes": memory_bytes} if sandboxed else None
        self._lock = threading.Lock()
        self._server: ForkServer | None = None
        self._child: ChildProcess | None = None

    def missing_layers(self, watch: Watch = lambda: None) -> dict[str, str] | None:
        """Start a child; return the reasons why layers of its sandbox are missing, by layer.

        None: it is not in a sandbox. `watch` is called repeatedly, and may raise.
        """
        with self._lock:
            return self._ready_child(None, watch).missing

    def folder(self) -> AbstractContextManager[Path]:
        """Yield a new folder that calls can write to, for the child by its name; then delete it."""
        return self._scratch.folder()

    def call(
        self,
        module: str,
        function: str,
        *arguments: Any,
        files: Sequence[str] = (),
        owner: str | None = None,
        watch: Watch = lambda: None,
        memory_bytes: int | None = None,
        seconds: float | None = None,
    ) -> Any:
        """Run the function in the child; return its result, which must be bytes or plain JSON.

        The function can read `files`. A child serves one `owner`, and another one gets another
        child. `watch` is called repeatedly; if it raises, the child is killed and the error passed
        on. `memory_bytes` and `seconds` apply if they are less than the supervisor's own. Raises
        RefusedError if the function does, and ChildFailedError if it ends without a result.
        """
        budget = min(filter(None, (memory_bytes, self._memory_bytes)), default=None)
        limit = min(filter(None, (seconds, self._seconds)), default=None)
        with self._lock:
            warm = self._ready_child(owner, watch)
            try:
                warm.send((module, function, arguments, get_contextvars()), files)
                self._wait(warm, watch, budget, limit)
                return warm.receive()
            except RefusedError:
                raise
            except BaseException:
                self._end_child()
                raise

    def close(self) -> None:
        """End the child and the fork server, and delete what they have written."""
        with self._lock:
            self._end_child()
            self._end_server()
            self._scratch.close()

    def _ready_child(self, owner: str | None, watch: Watch) -> ChildProcess:
        if self._child is None or not self._child.serves(owner):
            self._end_child()
            self._child = self._new_child(watch)
        self._child.owner = owner or self._child.owner
        return self._child

    def _new_child(self, watch: Watch) -> ChildProcess:
        for _ in range(FORK_TRIES):
            watch()
            if self._server is None:
                self._server = ForkServer(self._preload)
            with suppress(ForkServerGoneError):
                try:
                    return ChildProcess(self._server, self._sandbox, self._scratch.path, watch)
                except BaseException:
                    self._end_server()
                    raise
        raise RuntimeError("the process that starts children ends by itself; the log says why")

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _end_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _wait(
        self,
        warm: ChildProcess,
        watch: Watch,
        budget: int | None,
        limit: float | None,
    ) -> None:
        """Return when the child has sent something, or has ended."""
        started = time.monotonic()
        while not warm.poll(TICK):
            watch()
            if limit is not None and time.monotonic() - started > limit:
                raise ChildTimeLimitError(f"It took more than {limit:.3g} seconds.")
            if budget is not None and warm.memory() > budget:
                raise ChildOutOfMemoryError(
                    f"It needed more than the {budget / (1 << 20):,.0f} MiB of its budget. "
                    "A smaller `batch_size` needs less."
                )
