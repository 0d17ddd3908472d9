"""Authentication: API keys as bearer tokens (RFC 6750), each with an owner and scopes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from service.database.tables import Key
from service.http.dependencies import FromApp, Services
from service.http.problems import ForbiddenError, TooManyRequestsError, UnauthorizedError
from service.http.query import refuse_unknown_query
from service.keys.repository import KeyRepository
from service.keys.secrets import Scope, allows, digest_of
from service.quotas.limits import Limits, limits_of


@dataclass(frozen=True)
class Caller:
    """Who sent the request: by which key, and from which address; queries filter by `owner`."""

    owner: str
    key_id: str
    address: str | None
    scopes: Sequence[Scope]
    limits: Limits

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes


bearer = HTTPBearer(auto_error=False, bearerFormat="nrw_…", description="An API key")


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def authenticate(request: Request, services: Services, credentials: Credentials) -> Caller:
    """Return who sent the request, which is looked up and counted once.

    Raises UnauthorizedError and TooManyRequestsError.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    if credentials is None:
        raise UnauthorizedError("Send an API key: `Authorization: Bearer nrw_…`.")
    digest = digest_of(services.secret, credentials.credentials)
    caller = identify(request, services, lambda keys: keys.valid(digest))
    if caller is None:
        raise UnauthorizedError("This API key is not known here, was revoked, or has expired.")
    return caller


def identify(
    request: Request, services: Services, find: Callable[[KeyRepository], Key | None]
) -> Caller | None:
    """Return the caller whose key `find` finds, and count the request; None if it finds none.

    Raises TooManyRequestsError.
    """
    # A separate transaction, since the request may take hours.
    with services.reading() as session:
        key = find(KeyRepository(session))
        if key is None:
            return None
        limits = limits_of(session, services.settings, key.owner)
    address = request.client.host if request.client else None
    caller = Caller(key.owner, key.id, address, key.scopes, limits)
    request.state.caller = caller  # also for the log
    services.uses.note(key.id)
    _count(request, services, caller)
    return caller


def authorize(
    request: Request, services: Services, credentials: Credentials, scope: Scope
) -> Caller:
    """Return who sent the request.

    Raises UnauthorizedError, ForbiddenError without the scope, and TooManyRequestsError.
    """
    caller = authenticate(request, services, credentials)
    require_scope(caller, scope)
    return caller


def require_scope(caller: Caller, scope: Scope) -> None:
    """Raise ForbiddenError if the caller's key does not have the scope."""
    if not allows(caller.scopes, scope):
        raise ForbiddenError(
            f"This needs the scope `{scope}`; the key has {', '.join(caller.scopes)}."
        )


def _count(request: Request, services: Services, caller: Caller) -> None:
    """Count a request of the key; raise TooManyRequestsError if there are too many."""
    rate = services.buckets.take(caller.key_id, caller.limits.requests_per_second)
    request.state.rate = rate  # for the header
    if not rate.allowed:
        raise TooManyRequestsError(
            f"This key may send {rate.per_second} requests a second; wait {rate.retry_after} s.",
            retry_after=rate.retry_after,
        )


def _allow(scope: Scope) -> Callable[..., Caller]:
    def caller(request: Request, services: FromApp, credentials: Credentials) -> Caller:
        allowed = authorize(request, services, credentials, scope)
        refuse_unknown_query(request)  # not before: who has no key is told that first
        return allowed

    return caller


Reader = Annotated[Caller, Depends(_allow("read"))]
Writer = Annotated[Caller, Depends(_allow("write"))]
Admin = Annotated[Caller, Depends(_allow("admin"))]
