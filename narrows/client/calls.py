"""What all calls of the client share: paths, pages, downloads."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from narrows.client.downloads import download
from narrows.client.http import Connection, OnRead

MOST_ITEMS = 1000
"""The largest page that the server gives."""


class Calls:
    """Calls over one connection."""

    _connection: Connection

    def _list(self, kind: str, limit: int | None, state: str | None) -> list[Any]:
        """Return the newest `limit` jobs, or those in a state."""
        parameters: dict[str, Any] = {"page_size": min(limit or MOST_ITEMS, MOST_ITEMS)}
        if state is not None:
            parameters["state"] = state
        return list(itertools.islice(self._items(f"/v1/{kind}", parameters), limit))

    def _items(self, path: str, parameters: dict[str, Any] | None = None) -> Iterator[Any]:
        """Yield the items of all pages."""
        page = {"next_page_token": ""}
        while (token := page["next_page_token"]) is not None:
            more = {"page_token": token} if token else {}
            page = self._connection.send("GET", path, params={**(parameters or {}), **more}).json()
            yield from page["items"]

    def _download(
        self, kind: str, identity: str, name: str, path: str | Path, on_read: OnRead | None
    ) -> Path:
        """Download an artifact to `path`, or into that folder; return the file's path."""
        target = Path(path)
        if target.is_dir():
            target /= Path(name).name
        artifacts = f"{path_of(kind, identity)}/artifacts"
        return download(self._connection, artifacts, name, target, on_read)


def path_of(kind: str, identity: str) -> str:
    """Return the path of one thing of a kind.

    >>> path_of("models", "mdl_1")
    '/v1/models/mdl_1'
    """
    return f"/v1/{kind}/{quote(identity, safe='')}"
