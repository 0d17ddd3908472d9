"""Around every request: its id, its log line, a 500 for unexpected errors, a limit for bodies."""

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

from service.http.problems import InternalError, TooLargeError

log = logging.getLogger(__name__)

MAX_JSON_BYTES = 1 << 20
_ACCEPTABLE_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


class RequestContext:
    """Reads `X-Request-Id`, or makes one, and answers unexpected errors with 500.

    It also logs and counts every request.
    """

    def __init__(self, app: ASGIApp, count_request: Callable[[Scope, int, float], None]) -> None:
        self._app, self._count_request = app, count_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = Headers(scope=scope).get("x-request-id", "")
        identity = header if _ACCEPTABLE_ID.fullmatch(header) else f"req_{secrets.token_hex(12)}"
        clear_contextvars()
        bind_contextvars(request_id=identity)
        begun = time.monotonic()
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = identity
                if rate := scope.get("state", {}).get("rate"):
                    for name, value in rate.fields().items():
                        headers.append(name, value)
                if scope["app"].state.closing.is_set():
                    headers["Connection"] = "close"
                line = scope["method"], scope["path"], message["status"]
                seconds = time.monotonic() - begun
                log.info("%s %r %d", *line, extra={"seconds": round(seconds, 6), **_who(scope)})
                self._count_request(scope, message["status"], seconds)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("%s %r failed", scope["method"], scope["path"])
            if started:
                raise  # the response has begun: only closing the connection shows the error
            await InternalError(identity).response()(scope, receive, send_with_id)


def _who(scope: Scope) -> dict[str, str | None]:
    """Return the fields of the log that say who sent a request, and from where."""
    client = scope.get("client")
    who = {"address": client[0] if client else None}
    if caller := scope.get("state", {}).get("caller"):
        who |= {"owner": caller.owner, "key": caller.key_id}
    return who


class SmallBodyRoute(APIRoute):
    """A route that reads its body into memory; more than `MAX_JSON_BYTES` are answered with 413."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_limited(request: Request) -> Response:
            received = 0

            async def receive() -> Message:
                nonlocal received
                message = await request.receive()
                received += len(message.get("body", b""))
                if received > MAX_JSON_BYTES:
                    raise TooLargeError(f"The body may have at most {MAX_JSON_BYTES} bytes.")
                return message

            return await handle(Request(request.scope, receive))

        return handle_limited
