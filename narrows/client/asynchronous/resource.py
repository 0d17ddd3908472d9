"""What all resources share: calls that return one thing, pages, text, events, a file."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from narrows.client.asynchronous.connection import AsyncConnection
from narrows.client.asynchronous.downloads import download
from narrows.client.asynchronous.events import events
from narrows.client.asynchronous.pages import AsyncPages
from narrows.client.errors import UnreachableError
from narrows.client.requests import query_of, request_of
from narrows.client.sse import Event
from narrows.client.transfer import OnRead

if TYPE_CHECKING:
    from narrows.client.asynchronous.resources import AsyncResources

T = TypeVar("T")


class AsyncApi:
    """A server, and the connection to it."""

    url: str
    _connection: AsyncConnection


class AsyncBound:
    """An object that knows the client that it came from."""

    if TYPE_CHECKING:  # it is no field of the API
        _client: "AsyncResources"


class AsyncResource:
    """A resource of the API."""

    _hint = ""
    """What to do where it is not known whether something was made."""

    def __init__(self, client: "AsyncResources") -> None:
        self._client, self._connection = client, client._connection

    async def _one(self, kind: Callable[[Any], T], method: str, path: str, **sent: Any) -> T:
        answer = await self._connection.send(method, path, **request_of(**sent))
        return self._made(kind)(answer.json())

    async def _new(self, kind: Callable[[Any], T], method: str, path: str, **sent: Any) -> T:
        """Return what was made, once, however often the call is repeated."""
        key = secrets.token_hex(16)
        try:
            return await self._one(kind, method, path, idempotency_key=key, **sent)
        except UnreachableError as error:
            error.hint = self._hint
            raise

    async def _none(self, method: str, path: str, **sent: Any) -> None:
        await self._connection.send(method, path, **request_of(**sent))

    def _pages(
        self, kind: Callable[[Any], T], path: str, query: Mapping[str, Any]
    ) -> AsyncPages[T]:
        return AsyncPages(self._connection, self._made(kind), path, query_of(query))

    async def _text(self, path: str, query: Mapping[str, Any]) -> str:
        async def once() -> str:
            async with self._connection.stream(path, params=query_of(query)) as answer:
                return (await answer.aread()).decode()

        return await self._connection.repeated(once)

    def _events(self, path: str) -> AsyncIterator[Event]:
        return events(self._connection, path)

    async def _download(
        self, path: str, name: str, target: str | Path, on_read: OnRead | None
    ) -> Path:
        """Download a file to `target`, or into that folder; return the file's path.

        The file appears, or is replaced, when it is complete and its SHA-256 is right. Raises
        OSError where it can't be written, or arrived damaged.
        """
        target = Path(target)
        if target.is_dir():
            target /= Path(name).name
        return await download(self._connection, path, target, on_read)

    def _made(self, kind: Callable[[Any], T]) -> Callable[[Any], T]:
        """Return what makes an object of the API that knows this client, if its kind needs to."""

        def make(document: Any) -> T:
            made = kind(document)
            if isinstance(made, AsyncBound):
                made._client = self._client
            return made

        return make
