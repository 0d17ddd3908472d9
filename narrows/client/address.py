"""Where the server is, and the key for it, if the caller does not say."""

import os
from pathlib import Path

import httpx

from narrows.client.errors import ConfigurationError
from narrows.client.proxies import is_this_machine

DEFAULT_URL = "http://127.0.0.1:8000"


def address_of(url: str | None) -> httpx.URL:
    """Return the URL of the server: `url`, `NARROWS_URL` or this machine, without a last slash.

    Raises ConfigurationError for a text that is no URL.

    >>> address_of("https://narrows.example/")
    URL('https://narrows.example')
    >>> address_of("narrows.example")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    narrows.client.errors.ConfigurationError: 'narrows.example' is no URL of a server; it must ...
    """
    text = (url or os.environ.get("NARROWS_URL") or DEFAULT_URL).strip().rstrip("/")
    try:
        parsed = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{text!r} is no URL of a server: {error}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            f"{text!r} is no URL of a server; it must begin with http:// or https://, such as "
            f"{DEFAULT_URL}. Check NARROWS_URL."
        )
    return parsed


def key_for(address: httpx.URL, key: str | None) -> str | None:
    """Return `key`, `NARROWS_API_KEY` or, on this machine alone, the key of its embedded server.

    Raises ConfigurationError for a text that no request could carry.
    """
    found = key or os.environ.get("NARROWS_API_KEY")
    if not found and is_this_machine(address.host):  # other servers must not get it
        found = _embedded_key()
    found = found.strip() if found else None
    if found and not (found.isascii() and found.isprintable() and " " not in found):
        raise ConfigurationError(
            "The API key has characters that no key has. Check NARROWS_API_KEY."
        )
    return found


def _embedded_key() -> str | None:
    """Return the key of this machine's embedded server, if it has one."""
    folder = os.environ.get("NARROWS_DATA")
    if not folder:
        try:
            from platformdirs import user_data_path
        except ImportError:  # it comes with the server
            return None
        folder = str(user_data_path("narrows"))
    path = Path(folder).expanduser() / "api-key"
    return path.read_text() if path.exists() else None
