"""The fork server: a process that has imported torch, and forks the children that compute.

A new child takes a tenth of a second then. Unlike multiprocessing's, this one has an environment
of its own, without secrets, and inherits no open file. It has one child at a time.
"""

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple

from narrows.own_path import own_environment
from service.settings import get_settings
from worker.isolation.environment import without_secrets

MESSAGE_BYTES = 1 << 16
TICK = 0.25


class ForkServerGoneError(Exception):
    """The fork server has ended."""


class Forked(NamedTuple):
    """A child: its process id, and the connection to it."""

    pid: int
    connection: "Connection[Any, Any]"


class ForkServer:
    """Forks children, one after the other; they end when this process does."""

    def __init__(self, modules: Sequence[str]) -> None:
        """Start the process; it imports `modules` meanwhile."""
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-m", __name__, str(control.fileno())]
        self._process = subprocess.Popen(  # noqa: S603
            [*command, *modules],
            env=own_environment(without_secrets(os.environ)),
            stdin=subprocess.DEVNULL,
            pass_fds=(control.fileno(),),
            start_new_session=True,
        )
        control.close()
        self._imports = True

    def fork(self, watch: Callable[[], None], **options: Any) -> Forked:
        """Return a new child, whose `worker.isolation.child.serve` gets the options.

        Until the modules are imported, `watch` is called repeatedly. If it raises, the error is
        passed on, and the fork server can only be closed. Raises ForkServerGoneError.
        """
        ours, theirs = Pipe()
        try:
            with theirs:
                self._send(json.dumps(options).encode(), theirs.fileno())
            while not select.select([self._control], [], [], TICK)[0]:
                watch()
            pid = self._receive()
        except BaseException:
            ours.close()
            raise
        self._imports = False
        return Forked(pid, ours)

    def exit_code(self, seconds: float) -> int | None:
        """Return how the last child has ended, negative for a signal; None if it still runs.

        Raises ForkServerGoneError, and then nobody knows.
        """
        self._control.settimeout(seconds)
        try:
            return self._receive()
        except (TimeoutError, BlockingIOError):
            return None
        finally:
            self._control.settimeout(None)

    def close(self) -> None:
        """End the process, and its child with it."""
        self._control.close()
        if not self._imports:  # otherwise it has no child, and would not notice
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        self._process.kill()
        self._process.wait()

    def _send(self, message: bytes, descriptor: int) -> None:
        try:
            socket.send_fds(self._control, [message], [descriptor])
        except OSError:
            raise ForkServerGoneError from None

    def _receive(self) -> int:
        try:
            message = self._control.recv(MESSAGE_BYTES)
        except ConnectionError:
            message = b""
        if not message:
            raise ForkServerGoneError
        return int(message)


def serve(control: socket.socket) -> None:
    """Fork a child for each message, and answer with its process id, then with its exit code."""
    from worker.isolation import child

    while True:
        options, descriptors, *_ = socket.recv_fds(control, MESSAGE_BYTES, 1)
        if not options:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            child.run(Connection(descriptors[0]), **json.loads(options))
        os.close(descriptors[0])
        with suppress(BrokenPipeError):
            control.send(str(pid).encode())
            control.send(str(_exit_code(pid, control)).encode())


def _exit_code(pid: int, control: socket.socket) -> int:
    """Wait until the child or our parent ends; then end the child and what it has started."""
    ended = os.pidfd_open(pid)
    select.select([ended, control.fileno()], [], [])  # our parent says nothing meanwhile
    os.close(ended)
    with suppress(ProcessLookupError):  # until `waitpid`, its number is not another process'
        os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)  # if it did not lead its group yet
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    """Import the modules that the arguments name, then serve."""
    control, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    get_settings()  # here, since a child can't look at the data folder
    serve(socket.socket(fileno=int(control)))
    os._exit(0)  # torch takes seconds to go, and nothing is left to do


if __name__ == "__main__":
    main()
