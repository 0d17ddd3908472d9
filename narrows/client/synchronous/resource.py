# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""What all resources share: calls that return one thing, pages, text, events, a file."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from narrows.client.errors import UnreachableError
from narrows.client.requests import query_of, request_of
from narrows.client.sse import Event
from narrows.client.synchronous.connection import Connection
from narrows.client.synchronous.downloads import download
from narrows.client.synchronous.events import events
from narrows.client.synchronous.pages import Pages
from narrows.client.transfer import OnRead

if TYPE_CHECKING:
    from narrows.client.synchronous.resources import Resources

T = TypeVar("T")


class Api:
    """A server, and the connection to it."""

    url: str
    _connection: Connection


class Bound:
    """An object that knows the client that it came from."""

    if TYPE_CHECKING:  # it is no field of the API
        _client: "Resources"


class Resource:
    """A resource of the API."""

    _hint = ""
    """What to do where it is not known whether something was made."""

    def __init__(self, client: "Resources") -> None:
        self._client, self._connection = client, client._connection

    def _one(self, kind: Callable[[Any], T], method: str, path: str, **sent: Any) -> T:
        answer = self._connection.send(method, path, **request_of(**sent))
        return self._made(kind)(answer.json())

    def _new(self, kind: Callable[[Any], T], method: str, path: str, **sent: Any) -> T:
        """Return what was made, once, however often the call is repeated."""
        key = secrets.token_hex(16)
        try:
            return self._one(kind, method, path, idempotency_key=key, **sent)
        except UnreachableError as error:
            error.hint = self._hint
            raise

    def _none(self, method: str, path: str, **sent: Any) -> None:
        self._connection.send(method, path, **request_of(**sent))

    def _pages(self, kind: Callable[[Any], T], path: str, query: Mapping[str, Any]) -> Pages[T]:
        return Pages(self._connection, self._made(kind), path, query_of(query))

    def _text(self, path: str, query: Mapping[str, Any]) -> str:
        def once() -> str:
            with self._connection.stream(path, params=query_of(query)) as answer:
                return (answer.read()).decode()

        return self._connection.repeated(once)

    def _events(self, path: str) -> Iterator[Event]:
        return events(self._connection, path)

    def _download(self, path: str, name: str, target: str | Path, on_read: OnRead | None) -> Path:
        """Download a file to `target`, or into that folder; return the file's path.

        The file appears, or is replaced, when it is complete and its SHA-256 is right. Raises
        OSError where it can't be written, or arrived damaged.
        """
        target = Path(target)
        if target.is_dir():
            target /= Path(name).name
        return download(self._connection, path, target, on_read)

    def _made(self, kind: Callable[[Any], T]) -> Callable[[Any], T]:
        """Return what makes an object of the API that knows this client, if its kind needs to."""

        def make(document: Any) -> T:
            made = kind(document)
            if isinstance(made, Bound):
                made._client = self._client
            return made

        return make
