"""The HTTP server, which ends soon after a signal and without an error, whatever it is doing."""

import asyncio
import os
import socket
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS: Final = 1.0
"""How long requests have to end. Waits and event streams look four times a second whether the
server closes; only transfers of large files take longer, and lose their connection."""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than proxies and clients keep an idle connection. With uvicorn's default of 5 s, a client
that polls every 5 s would sometimes send a request on a connection that is just being closed."""


class Server(uvicorn.Server):
    """Serves `app`, and sets its `state.closing` at SIGTERM or Ctrl-C.

    A second signal ends the process at once, unless the process is `tied` to another one that will
    do that: then both may get the first signal, and the other one passes it on.
    """

    def __init__(self, app: FastAPI, *, tied: bool = False) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                timeout_graceful_shutdown=3,  # for threads that wait for the database
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
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

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport:
                connection.transport.abort()  # the application sees a client that has gone
