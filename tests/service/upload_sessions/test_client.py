"""The client sends large files in parts, and goes on where it was cut off."""

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from narrows.client import ApiError, Client
from narrows.client.synchronous.connection import Connection
from service.settings import Settings
from tests.support.answers import Client as ClientOf

SIZE = 10_500
PARTS = 11


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # what the database does is tested beside this


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.client.transfer.LARGE", 1000)
    monkeypatch.setattr("narrows.client.limits.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("service.upload_sessions.beginning.PART_SIZE", 1000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt2"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that are sent, by path, as they are sent."""
    paths: list[str] = []
    send = Connection.send_once

    def noting(self: Connection, method: str, path: str, **request: Any) -> httpx.Response:
        if method == "PUT":
            paths.append(path)
        return send(self, method, path, **request)

    monkeypatch.setattr(Connection, "send_once", noting)
    return paths


@pytest.fixture
def new_client(server: str, client_of: ClientOf) -> Iterator[Callable[..., Client]]:
    """Make clients of ann, as each process does."""
    clients: list[Client] = []

    def make(*scopes: str) -> Client:
        http = client_of("ann", scopes or ("read", "write"))
        key = http.headers["Authorization"].removeprefix("Bearer ")
        clients.append(Client(server, key))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_a_large_file(
    new_client: Callable[..., Client], file: Path, sent: list[str], ann: httpx.Client
) -> None:
    read: list[int] = []
    dataset = new_client().datasets.upload(file, read.append, transform={"scale": 0.5})
    assert (dataset.size, sum(read), len(sent)) == (SIZE, SIZE, PARTS)
    assert ann.get(f"/v1/datasets/{dataset.id}").json()["transform"] == {"scale": 0.5}


def interrupt_after(count: int) -> Callable[[int], None]:
    def on_read(size: int) -> None:
        nonlocal count
        count -= size
        if count < 0:
            raise KeyboardInterrupt

    return on_read


def test_only_what_is_missing_is_sent_after_a_cut(
    new_client: Callable[..., Client], file: Path, sent: list[str], ann: httpx.Client
) -> None:
    today = datetime.now(UTC)
    with pytest.raises(KeyboardInterrupt):
        new_client().models.upload(
            file, interrupt_after(6000), expires_at=today + timedelta(days=30)
        )
    for thread in threading.enumerate():
        if thread.name == "upload":  # what was on its way may still arrive
            thread.join()
    (session,) = ann.get("/v1/uploads").json()["items"]
    arrived = ann.get(f"/v1/uploads/{session['id']}").json()["received"]
    assert arrived
    sent.clear()
    read: list[int] = []
    later = today + timedelta(days=31)  # a day after the cut, "30 days" is another time
    model = new_client().models.upload(file, read.append, expires_at=later)
    assert model.expires_at == later
    missing = set(range(PARTS)) - set(arrived)
    assert {int(path.rpartition("/")[2]) for path in sent} == missing
    assert (model.size, sum(read)) == (SIZE, SIZE)
    assert [item["state"] for item in ann.get("/v1/uploads").json()["items"]] == ["completed"]


def test_what_the_server_has_is_not_sent(
    new_client: Callable[..., Client], file: Path, sent: list[str], ann: httpx.Client
) -> None:
    first = new_client().datasets.upload(file, transform={"scale": 0.5})
    sent.clear()
    read: list[int] = []
    until = datetime.now(UTC) + timedelta(days=30)
    same: Any = {"transform": {"scale": 0.5}, "expires_at": until}
    again = new_client().datasets.upload(file, read.append, **same)
    assert (again.id, again.expires_at) == (first.id, until)
    assert (sent, sum(read)) == ([], SIZE)
    assert new_client().datasets.upload(file).id != first.id
    assert len(sent) == PARTS


def test_what_the_server_lost_is_sent(
    new_client: Callable[..., Client], file: Path, sent: list[str], settings: Settings
) -> None:
    first = new_client().models.upload(file)
    stored = settings.data / "files" / first.sha256[:2] / first.sha256
    stored.write_bytes(bytes(SIZE))
    assert new_client().models.upload(file).id == first.id
    assert stored.read_bytes() == file.read_bytes()


def test_another_transform_is_another_upload(
    new_client: Callable[..., Client], file: Path, ann: httpx.Client
) -> None:
    with pytest.raises(KeyboardInterrupt):
        new_client().datasets.upload(file, interrupt_after(6000), transform={"scale": 0.5})
    new_client().datasets.upload(file)
    states = [item["state"] for item in ann.get("/v1/uploads").json()["items"]]
    assert states == ["completed", "open"]


def test_a_key_that_may_only_write(
    new_client: Callable[..., Client], file: Path, sent: list[str]
) -> None:
    assert new_client("write").models.upload(file).size == SIZE
    assert len(sent) == PARTS


def test_a_part_that_is_damaged_on_the_way(
    new_client: Callable[..., Client], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, damaged = Connection.send_once, 3

    def damaging(self: Connection, method: str, path: str, **request: Any) -> httpx.Response:
        nonlocal damaged
        if method == "PUT" and damaged:
            damaged -= 1
            request["content"] = [bytes(len(piece)) for piece in request["content"]]
        return send(self, method, path, **request)

    monkeypatch.setattr(Connection, "send_once", damaging)
    read: list[int] = []
    assert new_client().models.upload(file, read.append).size == sum(read) == SIZE


def test_a_file_that_changes_meanwhile(
    new_client: Callable[..., Client], file: Path, ann: httpx.Client
) -> None:
    def change(_: int) -> None:
        with file.open("r+b") as opened:
            opened.seek(SIZE - 10)
            opened.write(b"changed")

    with pytest.raises(ApiError, match="was changed while it was sent; upload it again"):
        new_client().models.upload(file, change)
    assert [item["state"] for item in ann.get("/v1/uploads").json()["items"]] == ["cancelled"]


def test_an_error_ends_it(
    new_client: Callable[..., Client], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel(_: int) -> None:
        client = new_client()
        for session in client.uploads.list():
            client.uploads.cancel(session.id)

    monkeypatch.setattr("narrows.client.synchronous.parts.AT_ONCE", 1)
    with pytest.raises(ApiError, match="The upload session has ended"):
        new_client().models.upload(file, cancel)
