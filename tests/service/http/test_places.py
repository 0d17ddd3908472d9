"""Event streams and waits: as many at once as the settings allow each key."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.support.answers import Client, created, problem


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # the limit does not depend on it


@pytest.fixture
def streams(settings: Settings) -> Iterator[ExitStack]:
    settings.max_streams_per_key = 3
    with ExitStack() as opened:
        yield opened


def begin(client: httpx.Client, path: str, streams: ExitStack) -> None:
    answer = streams.enter_context(client.stream("GET", f"{path}/events"))
    assert answer.status_code == 200
    lines: Any = answer.iter_lines()
    next(lines)  # so that it streams
    streams.callback(lines.close)  # which ends the stream, so it must not go before


@pytest.mark.parametrize("kind", ["analyses", "trials"])
def test_one_more_than_the_limit(
    client_of: Client, analysis: dict[str, Any], streams: ExitStack, kind: str
) -> None:
    ann, path = client_of("ann"), f"/v1/analyses/{analysis['id']}"
    if kind == "trials":
        body = {name: analysis[name] for name in ("model_id", "dataset_id")}
        path = f"/v1/trials/{created(ann.post('/v1/trials', json=body))['id']}"
    for _ in range(3):
        begin(ann, path, streams)
    for ask in ({"url": f"{path}/events"}, {"url": path, "headers": {"Prefer": "wait=20"}}):
        answer = ann.get(**ask)
        detail = problem(answer, 429, "too-many-requests")["detail"]
        assert "3 event streams and waits" in detail
        assert int(answer.headers["retry-after"]) > 0
    assert ann.get(path).is_success  # what does not wait needs no place
    begin(client_of("ann"), path, streams)  # another key has places of its own


def test_places_come_back(
    ann: httpx.Client,
    analysis: dict[str, Any],
    streams: ExitStack,
    succeed: Callable[[str], None],
) -> None:
    path = f"/v1/analyses/{analysis['id']}"
    for _ in range(4):
        assert ann.head(f"{path}/events").is_success
        assert ann.get(path, headers={"Prefer": "wait=1"}).is_success
    for _ in range(3):
        begin(ann, path, streams)
    streams.close()
    while ann.head(f"{path}/events").status_code == 429:
        time.sleep(0.05)  # until the server has seen that the clients are gone
    succeed(analysis["id"])
    for _ in range(4):
        assert ann.get(f"{path}/events").is_success
