"""The HTTP server, which ends soon after a signal and without an error, whatever it is doing."""

import asyncio
import os
import socket
import time
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from service import freed_memory
from service.http.connections.connection import ServerConfig
from service.http.connections.gate import Gate
from service.http.connections.limits import BACKLOG, limits_of
from service.settings import Settings

GRACE_SECONDS: Final = 1.0
"""How long requests have to end. Waits and event streams look four times a second whether the
server closes; only transfers of large files take longer, and lose their connection."""
GIVE_BACK_SECONDS: Final = 10.0
"""How often freed memory is given back to the system."""


class Server(uvicorn.Server):
    """Serves `app`, and sets its `state.closing` at SIGTERM or Ctrl-C.

    A second signal ends the process at once, unless the process is `tied` to another one that will
    do that: then both may get the first signal, and the other one passes it on.
    """

    def __init__(self, app: FastAPI, settings: Settings, *, tied: bool = False) -> None:
        self._gate = gate = Gate(limits_of(settings))
        super().__init__(
            ServerConfig(
                app,
                gate,
                log_config=None,
                backlog=BACKLOG,
                timeout_graceful_shutdown=3,  # for threads that wait for the database
                timeout_keep_alive=settings.idle_seconds,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies,
                callback_notify=self._tend,
                timeout_notify=0,  # so, once a second
            )
        )
        self._gives_back_at = 0.0
        self._closing, self._tied = app.state.closing, tied

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; uvicorn calls it at a signal."""
        if self.should_exit and not self._tied:
            os._exit(128 + sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the requests end, and cut the connections of those that don't in time."""
        self._closing.set()
        cut = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._cut)
        await super().shutdown(sockets)
        cut.cancel()

    async def _tend(self) -> None:
        now = time.monotonic()
        self._gate.sweep(now)
        if now >= self._gives_back_at:
            self._gives_back_at = now + GIVE_BACK_SECONDS
            await asyncio.get_running_loop().run_in_executor(None, freed_memory.give_back)

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport:
                connection.transport.abort()  # the application sees a client that has gone
