"""Shows browsers problems as pages, and leads to the sign-in who must sign in first."""

import json
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.accept import wants_page
from service.http.problem_document import MEDIA_TYPE
from service.logs import request_id
from service.web.rendering import kept, rendered


class ProblemPages:
    """Reads problem documents that go to browsers, and sends pages in their place."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_page(scope):
            await self._app(scope, receive, send)
            return
        started: Message | None = None
        body = bytearray()

        async def send_page(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start" and _is_problem(message):
                started = message
            elif started is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    page = _page(Request(scope), json.loads(body), Headers(raw=started["headers"]))
                    await page(scope, receive, send)

        await self._app(scope, receive, send_page)


def _is_page(scope: Scope) -> bool:
    return not scope["path"].startswith("/v1/") and wants_page(Headers(scope=scope))


def _is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type") == MEDIA_TYPE


def _page(request: Request, problem: dict[str, Any], fields: Headers) -> Response:
    answer: Response
    if problem["status"] == 401 and request.method == "GET":
        answer = _sign_in(request)
    else:
        caller = request.scope.get("state", {}).get("caller")
        answer = rendered(
            "problem.html",
            problem["status"],
            caller=caller,
            problem=problem,
            request_id=request_id() if problem["status"] >= 500 else None,
            again=_path(request) if request.method == "GET" else None,
        )
    answer.headers.update(kept(fields))
    return answer


def _sign_in(request: Request) -> Response:
    """Lead to the sign-in, which leads back who has signed in.

    Browsers don't send our cookie with links of other sites, nor to where those are redirected to.
    So such a link gets a page of ours that goes on by itself.
    """
    onward = f"/sign-in?then={quote(_path(request), safe='')}"
    if request.headers.get("sec-fetch-site") == "cross-site":
        return rendered("onward.html", onward=onward)
    return RedirectResponse(onward, 303)


def _path(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
