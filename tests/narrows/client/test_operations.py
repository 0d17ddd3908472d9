"""Every operation of the API can be called, by either client."""

import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from narrows.client.asynchronous.client import AsyncClient
from narrows.client.asynchronous.resource import AsyncResource
from narrows.client.errors import NotFoundError
from narrows.client.synchronous.client import Client
from narrows.client.synchronous.resource import Resource

DESCRIPTION = json.loads((Path(__file__).parents[3] / "openapi.json").read_text())
OPERATIONS = {
    (verb.upper(), path) for path, verbs in DESCRIPTION["paths"].items() for verb in verbs
}
MADE_OF_OTHERS = {"watch", "wait"}


class Recorder:
    """Answers every request with 404, and takes note of the operation."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        templates = [
            path
            for verb, path in OPERATIONS
            if (verb, re.sub(r"{\w+}", "x", path)) == (request.method, request.url.path)
        ]
        self.asked.update((request.method, template) for template in templates)
        return httpx.Response(404, json={"title": "Not found"})


def calls(client: Any, kind: type, file: Path) -> Iterator[Any]:
    """Yield what each method of each resource returns, with "x" for every id."""
    given = {"path": file, "number": "x", "content": b"x"}
    for resource in vars(client).values():
        for name, method in inspect.getmembers(resource, inspect.ismethod):
            if not isinstance(resource, kind) or name.startswith("_") or name in MADE_OF_OTHERS:
                continue
            needed = [
                given.get(one.name, "x")
                for one in inspect.signature(method).parameters.values()
                if (one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD)
                or one.kind is one.POSITIONAL_ONLY
            ]
            yield method, needed


async def ended(answer: Any) -> None:
    if inspect.isawaitable(answer):
        await answer
    else:
        async for _ in answer:
            pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_the_client_that_blocks(file: Path) -> None:
    recorder = Recorder()
    with Client("http://narrows", "nrw_key", retries=0) as client:
        client._connection.http = httpx.Client(
            base_url=client.url, transport=httpx.MockTransport(recorder)
        )
        for method, needed in calls(client, Resource, file):
            with pytest.raises(NotFoundError):
                list(method(*needed))
    assert recorder.asked == OPERATIONS


def test_the_asynchronous_client(file: Path) -> None:
    recorder = Recorder()

    async def call_all() -> None:
        async with AsyncClient("http://narrows", "nrw_key", retries=0) as client:
            client._connection.http = httpx.AsyncClient(
                base_url=client.url, transport=httpx.MockTransport(recorder)
            )
            for method, needed in calls(client, AsyncResource, file):
                with pytest.raises(NotFoundError):
                    await ended(method(*needed))

    asyncio.run(call_all())
    assert recorder.asked == OPERATIONS
