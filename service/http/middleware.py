"""Around every request: its id, a last resort for unexpected errors, a limit for JSON bodies."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from service.http.problems import TooLargeError, respond

log = logging.getLogger(__name__)

MAX_JSON_BYTES = 1 << 20
_ACCEPTABLE_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


class RequestContext:
    """Passes `X-Request-Id` on, or makes one; answers 500 where no handler knew better.

    It also logs a line of each request, and counts it.
    """

    def __init__(self, app: ASGIApp, count_request: Callable[[Scope, int, float], None]) -> None:
        self._app, self._count_request = app, count_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        identity = given if _ACCEPTABLE_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        clear_contextvars()
        bind_contextvars(request_id=identity)
        begun = time.monotonic()
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-Id"] = identity
                line = scope["method"], scope["path"], message["status"]
                seconds = time.monotonic() - begun
                log.info("%s %r %d", *line, extra={"seconds": round(seconds, 6)})
                self._count_request(scope, message["status"], seconds)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("%s %r failed", scope["method"], scope["path"])
            if started:
                raise  # half an answer is out: only closing the connection tells the client
            response = respond(
                500,
                "internal",
                "Internal error",
                "The fault is ours, and it is in the log under this request id.",
                request_id=identity,
            )
            await response(scope, receive, send_with_id)


class SmallBodyRoute(APIRoute):
    """A route whose body is read into memory: 413 beyond `MAX_JSON_BYTES`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_limited(request: Request) -> Response:
            received = 0

            async def receive() -> Message:
                nonlocal received
                message = await request.receive()
                received += len(message.get("body", b""))
                if received > MAX_JSON_BYTES:
                    raise TooLargeError(f"The body may have {MAX_JSON_BYTES} bytes.")
                return message

            return await handle(Request(request.scope, receive))

        return handle_limited
