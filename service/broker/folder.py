"""The embedded broker: a folder with one file per message, shared by processes of one machine.

kombu's own `filesystem` transport loses messages and crashes workers, since it reads files that are
still being written. Here a rename makes a complete message appear, and the consumer that deletes
the file owns the message. Exchanges exist only in memory, since Celery sends to queues by name.
Fanout (kombu's remote control) is not supported: its shared tables have the same races.
"""

import json
import time
import uuid
from itertools import count
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, virtual

_sequence = count()


class Channel(virtual.Channel):
    """Queues as subfolders of the transport option `folder`."""

    supports_fanout = False

    def _queue(self, queue: str) -> Path:
        folder = Path(self.connection.client.transport_options["folder"]) / queue
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def _new_queue(self, queue: str, **_: Any) -> None:
        self._queue(queue)

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        """Publish `message`; raise ChannelError when the folder can't take it."""
        name = f"{time.time_ns():020d}-{next(_sequence):08d}-{uuid.uuid4().hex}"
        try:
            folder = self._queue(queue)
            written = folder / f"{name}.new"
            try:
                written.write_text(json.dumps(message))
                written.rename(folder / f"{name}.msg")
            finally:
                written.unlink(missing_ok=True)  # of a full disk, the beginning is there
        except OSError as error:
            raise ChannelError(f"cannot publish to {queue!r}: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002
        """Return the first message, which no other consumer gets; raise Empty without one."""
        for waiting in self._waiting(queue):
            try:
                content = waiting.read_bytes()
                waiting.unlink()
            except FileNotFoundError:
                continue  # another consumer was faster
            if isinstance(message := _parsed(content), dict):
                return message
        raise Empty

    def _waiting(self, queue: str) -> list[Path]:
        return sorted(self._queue(queue).glob("*.msg"))

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        waiting = self._waiting(queue)
        for message in waiting:
            message.unlink(missing_ok=True)
        return len(waiting)

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        self._purge(queue)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None  # a file that is not ours must not stop the worker


class Transport(virtual.Transport):
    Channel = Channel
    driver_type = driver_name = "folder"
    polling_interval = 0.02  # seconds; an idle worker then uses 2 % of a core

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Wait as kombu does, and not longer than the transport option `longest_wait` says."""
        longest = connection.client.transport_options.get("longest_wait", timeout)
        wait = timeout and min(timeout, longest)
        super().drain_events(connection, wait)  # type: ignore[no-untyped-call]

    def driver_version(self) -> str:
        return "1"


TRANSPORT_ALIASES["folder"] = f"{__name__}:Transport"
