"""Makes API keys, and the digests under which they are stored."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Literal

from service.private_file import read_or_create
from service.settings import Settings

Scope = Literal["read", "write", "admin"]

PREFIX = "nrw_"


def allows(scopes: Sequence[Scope], scope: Scope) -> bool:
    """Return whether a key with these scopes has this one.

    >>> allows(["write"], "read"), allows(["admin"], "read"), allows(["admin"], "write")
    (False, True, False)
    """
    return scope in scopes or (scope == "read" and "admin" in scopes)


def make_key() -> str:
    """Make an API key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: bytes, key: str) -> str:
    """Return the HMAC-SHA256 under which a key is stored."""
    return hmac.new(secret, key.encode(), hashlib.sha256).hexdigest()


def server_secret(settings: Settings) -> bytes:
    """Return the key of the HMACs: the setting, or a file in the data folder, created once."""
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    text, _ = read_or_create(settings.secret_file, lambda: secrets.token_urlsafe(32))
    return text.encode()
