"""Lists of the API, whose pages are asked for as they are needed."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Generic, TypeVar

from narrows.client.asynchronous.connection import AsyncConnection

T_co = TypeVar("T_co", covariant=True)

LARGEST_PAGE = 1000
"""So many items the server gives at once, at most; it is asked for fewer where callers say so."""


class AsyncPages(Generic[T_co]):
    """The items of all pages, each time that it is gone through; nothing is asked before."""

    def __init__(
        self,
        connection: AsyncConnection,
        made: Callable[[Any], T_co],
        path: str,
        query: Mapping[str, Any],
    ) -> None:
        self._connection, self._made, self._path = connection, made, path
        self._query = {"page_size": LARGEST_PAGE, **query}

    async def __aiter__(self) -> AsyncIterator[T_co]:
        token: str | None = ""
        while token is not None:
            asked = self._query | ({"page_token": token} if token else {})
            answer = await self._connection.send("GET", self._path, params=asked)
            page = answer.json()
            for item in page["items"]:
                yield self._made(item)
            token = page["next_page_token"]

    async def first(self, count: int) -> list[T_co]:
        """Return the first items, at most so many, and ask for no more of them."""
        query = self._query | {"page_size": min(count, LARGEST_PAGE)}
        found: list[T_co] = []
        async for item in AsyncPages(self._connection, self._made, self._path, query):
            found.append(item)
            if len(found) == count:
                break
        return found
