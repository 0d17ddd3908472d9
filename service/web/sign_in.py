"""`/sign-in` and `/sign-out`: an API key for a cookie, and the cookie back."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from service.database.base import utc_now
from service.http.audit import record
from service.http.dependencies import FromApp, Services
from service.http.problems import ProblemError, UnauthorizedError
from service.http.query import refuse_unknown_query
from service.http.security import identify
from service.keys.secrets import digest_of
from service.web.callers import require_own_form, signed_in
from service.web.cookie import LASTS, give, sealed, take_back
from service.web.forms import read_fields, text
from service.web.rendering import rendered

router = APIRouter(
    include_in_schema=False,
    dependencies=[Depends(require_own_form), Depends(refuse_unknown_query)],
)
MAX_BYTES: Final = 4 << 10
"""Of the form: nobody is known yet who sends it."""


@router.get("/sign-in")
def show_sign_in(
    request: Request,
    services: FromApp,
    then: Annotated[str, Query(max_length=2000)] = "/analyses",
) -> Response:
    """Ask for a key, or go on to the page `then` if somebody has signed in."""
    if signed_in(request, services):
        return RedirectResponse(_here(then), 303)
    return rendered("sign_in.html", then=_here(then))


@router.post("/sign-in")
async def sign_in(request: Request, services: FromApp) -> Response:
    """Give a cookie for a valid key, and go on to the page that was asked for."""
    fields = await read_fields(request, MAX_BYTES)
    key, then = text(fields, "key"), text(fields, "then")
    try:
        value = await run_in_threadpool(_cookie, request, services, key.strip())
    except ProblemError as error:
        return rendered("sign_in.html", error=error, then=_here(then), wrong=error.detail)
    answer = RedirectResponse(_here(then), 303)
    give(answer, request, value)
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """Take the cookie back."""
    answer = RedirectResponse("/sign-in", 303)
    take_back(answer, request)
    return answer


def _cookie(request: Request, services: Services, key: str) -> str:
    digest = digest_of(services.secret, key)
    caller = identify(request, services, lambda keys: keys.valid(digest))
    if caller is None:
        raise UnauthorizedError("This API key is not known here, was revoked, or has expired.")
    with services.transaction() as session:
        record(session, caller, "key.sign_in", caller.key_id)
    return sealed(services.secret, caller.key_id, utc_now() + LASTS)


def _here(path: str) -> str:
    """Return a path of this server, whatever was asked for: no other host, no script."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain else "/analyses"
