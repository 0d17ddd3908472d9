"""The cookie of who has signed in: the id of a key and a time, sealed with the server's secret.

Nothing is stored: the key is looked up with each request, so a cookie ends when its key does.
"""

import hmac
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service.database.base import utc_now
from service.keys.secrets import digest_of

LASTS: Final = timedelta(hours=12)


def sealed(secret: bytes, key_id: str, until: datetime) -> str:
    """Return the value of a cookie of a key, valid until then."""
    text = f"{key_id}.{until.timestamp():.0f}"
    return f"{text}.{digest_of(secret, f'cookie {text}')}"


def key_id_of(secret: bytes, value: str) -> str | None:
    """Return the id of the key in a cookie; None if we did not make it, or its time is over."""
    text, _, seal = value.rpartition(".")
    if not hmac.compare_digest(seal.encode(), digest_of(secret, f"cookie {text}").encode()):
        return None
    key_id, _, until = text.partition(".")
    return key_id if utc_now().timestamp() < int(until) else None


def name_for(request: Request) -> str:
    """Return the cookie's name; browsers take `__Host-` from this very host by TLS alone."""
    return "__Host-narrows" if _is_secure(request) else "narrows"


def give(response: Response, request: Request, value: str) -> None:
    """Let the browser keep a cookie that scripts and other sites can't use."""
    response.set_cookie(
        name_for(request),
        value,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )


def take_back(response: Response, request: Request) -> None:
    """Let the browser forget the cookie."""
    response.delete_cookie(
        name_for(request), httponly=True, samesite="strict", secure=_is_secure(request)
    )


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
