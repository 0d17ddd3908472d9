"""Authentication: API keys as bearer tokens (RFC 6750), each with an owner and scopes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from service.http.dependencies import FromApp, Services
from service.http.problems import ForbiddenError, UnauthorizedError
from service.http.query import refuse_unknown_query
from service.keys.repository import KeyRepository
from service.keys.secrets import Scope, digest_of


@dataclass(frozen=True)
class Caller:
    """The owner of the request's API key; every query filters by `owner`."""

    owner: str


_bearer = HTTPBearer(auto_error=False, bearerFormat="nrw_…", description="An API key")


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def authorize(services: Services, credentials: Credentials, scope: Scope) -> Caller:
    """Return the owner of the key; raise UnauthorizedError, or ForbiddenError without the scope."""
    if credentials is None:
        raise UnauthorizedError("Send an API key: `Authorization: Bearer nrw_…`.")
    digest = digest_of(services.secret, credentials.credentials)
    # A separate transaction, since the request may take hours.
    with services.reading() as session:
        key = KeyRepository(session).valid(digest)
    if key is None:
        raise UnauthorizedError("This API key is not known here, or was revoked.")

    if scope not in key.scopes:
        raise ForbiddenError(
            f"This needs the scope `{scope}`; the key has {', '.join(key.scopes)}."
        )
    return Caller(key.owner)


def _allow(scope: Scope) -> Callable[..., Caller]:
    def caller(request: Request, services: FromApp, credentials: Credentials) -> Caller:
        allowed = authorize(services, credentials, scope)
        refuse_unknown_query(request)  # not before: who has no key is told that first
        return allowed

    return caller


Reader = Annotated[Caller, Depends(_allow("read"))]
Writer = Annotated[Caller, Depends(_allow("write"))]
