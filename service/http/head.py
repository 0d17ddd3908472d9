"""Answers HEAD wherever there is a GET: the same headers without the content (RFC 9110, 9.3.2)."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Asks the application by GET, and stops it once it has begun to answer.

    `Range` is left out: it has a meaning for GET alone (RFC 9110, section 14.2).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        asked = {**scope, "method": "GET", "headers": headers}

        async def send_headers(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            if "route" in asked:
                scope["route"] = asked["route"]  # the metrics count by it
            await send(message)
            await send({"type": "http.response.body"})
            answering.cancel()  # an event stream would go on

        with anyio.CancelScope() as answering:
            await self._app(asked, receive, send_headers)
