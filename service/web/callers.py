"""Who looks at a page, by their cookie, and whether a form came from a page of ours."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from service.http.dependencies import FromApp, Services
from service.http.problems import ForbiddenError, UnauthorizedError
from service.http.query import refuse_unknown_query
from service.http.security import Caller, identify, require_scope
from service.keys.secrets import Scope
from service.web.cookie import key_id_of, name_for

SAME_SITE = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` is for what our own pages, or people themselves, send."""


class ForeignFormError(ForbiddenError):
    slug, title = "foreign-form", "The form was sent from another site"


def require_own_form(request: Request) -> None:
    """Raise ForeignFormError for a form that no page of this server sent.

    Browsers say where it came from by `Sec-Fetch-Site`; without TLS, and older ones, by `Origin`.
    Who says neither is refused. Ports count, which `SameSite` cookies don't tell apart.
    """
    if request.method in {"GET", "HEAD"}:
        return
    site = request.headers.get("sec-fetch-site")
    if site is None:
        host = request.headers.get("origin", "").partition("://")[2]
        own = bool(host) and host == request.headers.get("host")
    else:
        own = site in SAME_SITE
    if not own:
        raise ForeignFormError("Open the page on this server, and send the form from there.")


def signed_in(request: Request, services: Services) -> Caller | None:
    """Return whose cookie came along, if its key is still valid; raise TooManyRequestsError."""
    key_id = key_id_of(services.secret, request.cookies.get(name_for(request), ""))
    if key_id is None:
        return None
    return identify(request, services, lambda keys: keys.valid_of_id(key_id))


def _allow(scope: Scope) -> Callable[..., Caller]:
    def caller(request: Request, services: FromApp) -> Caller:
        require_own_form(request)
        caller = signed_in(request, services)
        if caller is None:
            raise UnauthorizedError("Sign in first: nobody is, or the key has ended.")
        require_scope(caller, scope)
        refuse_unknown_query(request)
        return caller

    return caller


Reader = Annotated[Caller, Depends(_allow("read"))]
Writer = Annotated[Caller, Depends(_allow("write"))]
