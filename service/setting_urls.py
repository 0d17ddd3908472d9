"""Checks the URLs among the settings; each error says what to write instead.

No error repeats a whole URL, since it may hold a password.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from sqlalchemy import URL

DATABASES: Final = "postgresql://user:password@host/name, or leave it out for SQLite"
BROKERS: Final = "redis://host:6379/0, or leave it out for a folder"
STORES: Final = "file:///folder or s3://bucket/prefix, or leave it out for a folder in NARROWS_DATA"
_POSTGRESQL: Final = ("postgresql", "postgres", "postgresql+psycopg")
_SQLITE: Final = ("sqlite", "sqlite+pysqlite")


def parsed_database_url(url: str) -> "URL":
    """Return the SQLAlchemy URL, for PostgreSQL with the driver psycopg 3.

    Raises ValueError unless it is of PostgreSQL, or of a file of SQLite.
    """
    # Imported late, since it takes longer than all else of `narrows --help`.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    scheme = _scheme(url, (*_POSTGRESQL, *_SQLITE), DATABASES)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(
            f"It is no URL of a database. Write {DATABASES}. In a password, write characters such "
            "as @, / and % as %40, %2F and %25."
        ) from None
    if scheme in _SQLITE:
        if parsed.database in (None, "", ":memory:"):
            raise ValueError(
                "An SQLite database in memory is not shared by processes. Write sqlite:///file."
            )
        return parsed
    return parsed.set(drivername="postgresql+psycopg")


def sqlite_url(file: Path) -> "URL":
    """Return the SQLAlchemy URL of a file, made from its parts: a path may hold % and ?."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(file))


def check_database_url(url: str) -> str:
    """Return `url` if it is empty or `parsed_database_url` takes it; else raise ValueError."""
    if url:
        parsed_database_url(url)
    return url


def check_broker_url(url: str) -> str:
    """Return `url` if it is empty or of a broker that Narrows knows; else raise ValueError."""
    if not url:
        return url
    scheme = _scheme(url, ("redis", "rediss", "amqp", "amqps", "folder"), BROKERS)
    parts = _parts(url, BROKERS)
    database = parts.path.strip("/")
    if scheme.startswith("redis") and database and not database.isdecimal():
        raise ValueError(f"After the host comes the number of a Redis database: {BROKERS}.")
    return url


def check_storage_url(url: str) -> str:
    """Return `url` if it is empty or of a store that Narrows knows; else raise ValueError."""
    if not url:
        return url
    if url.startswith("memory:"):
        raise ValueError(f"Memory is not shared by API and workers. Write {STORES}.")
    scheme = _scheme(url, ("file", "s3", "gs", "az"), STORES)
    parts = _parts(url, STORES)
    if parts.query or parts.fragment:
        raise ValueError("In the folder or prefix, write ? as %3F, # as %23 and % as %25.")
    if scheme == "file" and (parts.netloc or parts.path.strip("/") == ""):
        raise ValueError("After file: come three slashes and a folder, as in file:///folder.")
    if scheme != "file" and not parts.netloc:
        raise ValueError(f"After {scheme}:// comes the name of a bucket, as in s3://bucket/prefix.")
    return url


def _scheme(url: str, known: tuple[str, ...], advice: str) -> str:
    scheme, separator, _ = url.partition(":")
    if not separator or "/" in scheme or "@" in scheme:
        raise ValueError(f"It is no URL. Write {advice}.")
    if scheme in known:
        return scheme
    close = get_close_matches(scheme, known, n=1, cutoff=0.8)
    meant = f" Did you mean {close[0]}://?" if close else ""
    raise ValueError(f"Narrows can't use {scheme}://.{meant} Write {advice}.")


def _parts(url: str, advice: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError unless it is a number
    except ValueError:
        raise ValueError(f"It is no URL. Write {advice}.") from None
    if url[len(parts.scheme) :][:3] != "://":
        raise ValueError(f"It is no URL. Write {advice}.")
    return parts
