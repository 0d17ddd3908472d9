"""Around every request: its id, its log line, a 500 for unexpected errors, a limit for bodies."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from service.http.dependencies import Services
from service.http.problems import InternalError, ProblemError, TooLargeError
from service.http.security import authenticate, bearer

log = logging.getLogger(__name__)

MAX_JSON_BYTES: Final = 1 << 20
LARGE_JSON_BYTES: Final = 64 << 10
_ACCEPTABLE_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


class RequestContext:
    """Reads `X-Request-Id`, or makes one, and answers unexpected errors with 500.

    It also logs and counts every request. `shown` wraps that answer as those of `app` are.
    """

    def __init__(self, app: ASGIApp, shown: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app, self._shown = app, shown

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
        unread = _has_body(scope)

        async def receive_noting() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = identity
                if rate := scope.get("state", {}).get("rate"):
                    for name, value in rate.fields().items():
                        headers.append(name, value)
                if unread or scope["app"].state.closing.is_set():
                    headers["Connection"] = "close"
                line = scope["method"], scope["path"], message["status"]
                seconds = time.monotonic() - begun
                log.info("%s %r %d", *line, extra={"seconds": round(seconds, 6), **_who(scope)})
                scope["app"].state.metrics.count_request(scope, message["status"], seconds)
            await send(message)

        try:
            await self._app(scope, receive_noting, send_with_id)
        except Exception:
            log.exception("%s %r failed", scope["method"], scope["path"])
            if started:
                raise  # the response has begun: only closing the connection shows the error
            await self._shown(InternalError(identity).response())(scope, receive, send_with_id)


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _who(scope: Scope) -> dict[str, str | None]:
    """Return the fields of the log that say who sent a request, and from where."""
    client = scope.get("client")
    who = {"address": client[0] if client else None}
    if caller := scope.get("state", {}).get("caller"):
        who |= {"owner": caller.owner, "key": caller.key_id}
    return who


class SmallBodyRoute(APIRoute):
    """A route that reads a body into memory: of who has a key, and `MAX_JSON_BYTES` at most.

    FastAPI reads bodies before it asks the dependencies, and those ask for the key. Parsed, a body
    can take 25 times its size, so large ones take turns.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_limited(request: Request) -> Response:
            services: Services = request.app.state.services
            credentials = await bearer(request)
            await run_in_threadpool(authenticate, request, services, credentials)
            body = await read_whole(request, MAX_JSON_BYTES)
            messages = iter([{"type": "http.request", "body": body, "more_body": False}])

            async def receive() -> Message:
                return next(messages, None) or await request.receive()

            async with services.large_bodies if len(body) > LARGE_JSON_BYTES else nullcontext():
                return await handle(Request(request.scope, receive))

        return handle_limited


async def read_whole(request: Request, limit: int) -> bytes:
    """Return the body, whatever `Content-Length` says; raise TooLargeError beyond `limit` bytes."""
    too_large = TooLargeError(f"The body may have at most {limit} bytes.")
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large
    except ClientDisconnect:
        raise ProblemError("The client closed the connection.") from None
    return bytes(body)
