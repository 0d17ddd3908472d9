"""Who calls: API keys as bearer tokens (RFC 6750), each with an owner and scopes."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.http.dependencies import FromApp, Services
from service.http.problems import Forbidden, Unauthorized
from service.keys.repository import KeyRepository
from service.private_file import read_or_create
from service.settings import Settings

Scope = Literal["read", "write", "admin"]

PREFIX = "nrw_"


@dataclass(frozen=True)
class Caller:
    """Whose key the request carries; every query filters by `owner`."""

    owner: str


def make_key() -> str:
    """Make an API key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: bytes, key: str) -> str:
    """Return the HMAC-SHA256 under which a key is stored."""
    return hmac.new(secret, key.encode(), hashlib.sha256).hexdigest()


def server_secret(settings: Settings) -> bytes:
    """Return the HMAC's key: the setting, or a file in the data folder that is made once."""
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    text, _ = read_or_create(settings.data / "secret", lambda: secrets.token_urlsafe(32))
    return text.encode()


_bearer = HTTPBearer(auto_error=False, bearerFormat="nrw_…", description="An API key")


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def authorize(services: Services, credentials: Credentials, scope: Scope) -> Caller:
    """Return whose key this is; raise Unauthorized, or Forbidden without the scope."""
    if credentials is None:
        raise Unauthorized("Send an API key: `Authorization: Bearer nrw_…`.")
    digest = digest_of(services.secret, credentials.credentials)
    # A transaction of its own: what follows may take hours.
    with services.reading() as session:
        key = KeyRepository(session).valid(digest)
    if key is None:
        raise Unauthorized("This API key is not known here, or was revoked.")
    if scope not in key.scopes:
        raise Forbidden(f"This needs the scope `{scope}`; the key has {', '.join(key.scopes)}.")
    return Caller(key.owner)


def _allow(scope: Scope) -> Callable[..., Caller]:
    def caller(services: FromApp, credentials: Credentials) -> Caller:
        return authorize(services, credentials, scope)

    return caller


Reader = Annotated[Caller, Depends(_allow("read"))]
Writer = Annotated[Caller, Depends(_allow("write"))]
