"""A child of the fork server, as its supervisor sees it."""

import json
import logging
import os
import secrets
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from multiprocessing import reduction
from pathlib import Path
from typing import Any, Final

import psutil

from worker.errors import RefusedError
from worker.isolation.errors import (
    ChildCrashedError,
    ChildDiskFullError,
    ChildExitedError,
    ChildFailedError,
    ChildKilledError,
    ChildOutOfMemoryError,
    ChildUnexpectedError,
)
from worker.isolation.fork_server import ForkServer, ForkServerGoneError

CALLS: Final = 100  # leaked memory counts in the budgets of later calls
ANSWER_BYTES: Final = 4 << 30
"""The largest answer that is read: it fills the memory of this process."""
ENDING_SECONDS: Final = 5.0
START_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class ChildProcess:
    """A child that serves calls; `missing` are the layers that its sandbox lacks, with reasons.

    Raises ForkServerGoneError if the fork server has ended, and what `watch` raises.
    """

    def __init__(
        self,
        server: ForkServer,
        sandbox: dict[str, Any] | None,
        folder: Path,
        watch: Callable[[], None],
    ) -> None:
        self._server = server
        self._pid, self._connection = server.fork(watch, sandbox=sandbox, folder=str(folder))
        self._folder = folder
        self._exit_code: int | None = None
        self._calls = 0
        self.owner: str | None = None
        self.missing: dict[str, str] | None = json.loads(self._first_words())

    def serves(self, owner: str | None) -> bool:
        """Return whether it runs and may serve this owner: it serves only one."""
        return (
            self._is_alive()
            and self._calls < CALLS
            and self._folder.is_dir()
            and (self.owner is None or self.owner == owner)
        )

    def send(self, call: tuple[Any, ...], files: Sequence[str]) -> None:
        """Send a call, with descriptors of the files that it reads."""
        self._calls += 1
        with ExitStack() as stack:
            opened = [stack.enter_context(Path(file).open("rb")) for file in files]
            with suppress(ConnectionError):  # the child has died; `receive` raises the reason
                self._connection.send((*call, files))
                for file in opened:
                    reduction.send_handle(self._connection, file.fileno(), self._pid)

    def poll(self, seconds: float) -> bool:
        """Return whether the child has sent something, or has ended, within this time."""
        if self._connection.poll(seconds):
            return True
        if self._is_alive():
            return False
        self._kill_group()  # what the child has started may still hold its end of the connection
        return True

    def receive(self) -> Any:
        """Return the answer; raise RefusedError or a ChildFailedError."""
        try:
            kind, value = json.loads(self._connection.recv_bytes(ANSWER_BYTES))
            if kind == "bytes":
                return self._connection.recv_bytes(ANSWER_BYTES)
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

    def memory(self) -> int:
        """Return the resident memory of the child and its descendants, in bytes."""
        try:
            process = psutil.Process(self._pid)
            family = [process, *process.children(recursive=True)]
            return sum(member.memory_info().rss for member in family)
        except psutil.Error:
            return 0  # it is ending, which the connection will show

    def kill(self) -> None:
        """End the child and what it has started."""
        self._kill_group()
        if self._exit_code is None:
            with suppress(ForkServerGoneError):
                self._exit_code = self._server.exit_code(ENDING_SECONDS)
        self._connection.close()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    def _first_words(self) -> bytes:
        try:
            if not self._connection.poll(START_SECONDS):
                raise ForkServerGoneError
            return self._connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            self._connection.close()
            raise ForkServerGoneError from None

    def _is_alive(self) -> bool:
        if self._exit_code is None:
            try:
                self._exit_code = self._server.exit_code(0)
            except ForkServerGoneError:
                return False
        return self._exit_code is None

    def _post_mortem(self) -> ChildFailedError:
        try:
            if self._exit_code is None:
                self._exit_code = self._server.exit_code(ENDING_SECONDS)
            code = self._exit_code or 0
        except ForkServerGoneError:
            return ChildKilledError("Its process and the fork server are gone; why is unknown.")
        if code >= 0:
            return ChildExitedError(f"Its process exited with code {code}.")
        name = signal.Signals(-code).name
        if -code == signal.SIGKILL:
            return ChildKilledError(
                f"Its process was ended by {name}, as the system does when memory runs out."
            )
        return ChildCrashedError(f"Its process was ended by {name}.")
