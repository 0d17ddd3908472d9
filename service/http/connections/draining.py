"""A transport that lets the client read the answer before the connection closes."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class DrainingTransport(asyncio.Transport):
    """Passes everything on; but while the client still sends, `close` only stops sending.

    To close a socket with unread data resets the connection, and the client would lose the answer
    that says why it should not send that. Whoever owns the transport throws away what still comes,
    and aborts it some time after `drains_since`. `written` counts bytes.
    """

    def __init__(self, transport: asyncio.Transport, still_sends: Callable[[], bool]) -> None:
        super().__init__()
        self._transport, self._still_sends = transport, still_sends
        self.drains_since: float | None = None
        self.written = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += len(data)
        self._transport.write(data)

    def close(self) -> None:
        if self.drains_since is not None:
            return
        if self._transport.is_closing() or not self._still_sends():
            self._transport.close()
            return
        self.drains_since = time.monotonic()
        with suppress(OSError):  # the client is gone
            self._transport.write_eof()
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        return self.drains_since is not None or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
