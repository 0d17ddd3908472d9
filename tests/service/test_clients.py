"""Both clients against the real service: what comes back, pages, errors, parts, events."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from narrows.client import (
    AsyncClient,
    AuthenticationError,
    Client,
    ConflictError,
    FailedError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableError,
)
from service.database.tables import Dataset, Model
from tests.support.answers import Client as ClientOf

Alter = Callable[..., None]
KEY = "Authorization"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # what the database does is tested beside this


@pytest.fixture
def key(client_of: ClientOf) -> str:
    return str(client_of("ann", ("read", "write", "admin")).headers[KEY].removeprefix("Bearer "))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    model, dataset = tmp_path / "net.pt2", tmp_path / "data.npz"
    model.write_bytes(b"a model")
    dataset.write_bytes(b"a dataset")
    return model, dataset


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]  # a coroutine


def test_an_analysis_from_upload_to_result(
    server: str,
    key: str,
    files: tuple[Path, Path],
    alter: Alter,
    succeed: Callable[[str], None],
) -> None:
    async def work() -> None:
        async with AsyncClient(server, key) as client:
            model = await client.models.upload(files[0], name="first.pt2")
            dataset = await client.datasets.upload(files[1], transform={"scale": 0.5})
            assert (model.name, dataset.transform) == ("first.pt2", {"scale": 0.5})
            alter(Model, model.id, state="ready", inspection={"layers": []})
            assert (await client.models.wait(model.id)).state == "ready"
            problem = {"type": "t", "title": "No", "detail": "Empty.", "status": 422}
            alter(Dataset, dataset.id, state="rejected", error=problem)
            with pytest.raises(FailedError, match=r"is rejected: No: Empty\."):
                await client.datasets.wait(dataset.id)
            alter(Dataset, dataset.id, state="ready", error=None, inspection={})
            analysis = await client.analyses.create(model_id=model.id, dataset_id=dataset.id)
            assert (analysis.state, analysis.has_ended) == ("queued", False)
            assert abs(analysis.created_at - datetime.now(UTC)) < timedelta(minutes=5)
            for _ in range(2):
                await client.analyses.create(model_id=model.id, dataset_id=dataset.id)
            listed = [one.id async for one in client.analyses.list(state="queued", page_size=1)]
            assert (len(listed), listed[-1]) == (3, analysis.id)
            assert [one.id for one in await client.analyses.list().first(2)] == listed[:2]
            with pytest.raises(ConflictError):
                await client.models.delete(model.id)
            succeed(analysis.id)
            analysis = await analysis.wait()
            assert analysis.summary is not None
            assert analysis.summary.bottlenecks == ["conv1"]
            assert analysis.url == f"{server}/analyses/{analysis.id}"
            assert [layer.verdict async for layer in analysis.layers] == ["bottleneck"] * 3
            (plan,) = [plan async for plan in analysis.plans]
            assert (plan.layers[0].edits[0].from_, plan.layers[0].edits[0].to) == (6, 12)
            events = [event async for event in client.analyses.events(analysis.id)]
            assert events[-1].is_last
            assert (await client.analyses.cancel(listed[0])).state == "cancelled"

    run(work)


def test_errors_by_status(server: str, key: str, client_of: ClientOf) -> None:
    async def work() -> None:
        async with AsyncClient(server, key) as client:
            with pytest.raises(NotFoundError, match="There is no model") as missing:
                await client.with_options(retries=0).models.retrieve(f"mdl_{0:024x}")
            assert missing.value.title == "Not found"
            with pytest.raises(UnprocessableError) as wrong:
                await client.analyses.create(model_id="x", dataset_id="y", seed="many")  # type: ignore[arg-type]
            assert wrong.value.errors[0]["pointer"] == "/seed"
            with pytest.raises(UnprocessableError, match="page_size"):
                assert [one async for one in client.keys.list(page_size=-1)]

    run(work)
    reader = client_of("bob", ("read",)).headers[KEY].removeprefix("Bearer ")
    with Client(server, reader) as client, pytest.raises(PermissionDeniedError):
        client.webhooks.create(url="https://example.com")
    with Client(server, "nrw_none") as client, pytest.raises(AuthenticationError):
        client.usage.retrieve()


def test_keys_owners_and_webhooks(server: str, key: str) -> None:
    async def work() -> None:
        async with AsyncClient(server, key) as client:
            made = await client.keys.create(owner="bob", scopes=["read"])
            assert made.key.startswith("nrw_")
            assert (await client.keys.retrieve(made.id)).owner == "bob"
            await client.keys.revoke(made.id)
            assert (await client.keys.retrieve(made.id)).revoked_at is not None
            limited = await client.owners.set_limits("bob", analyses=3)
            assert limited.limits["analyses"].limit == 3
            assert made.id in {change.subject async for change in client.audit.list()}
            webhook = await client.webhooks.create(url="https://example.com/hook")
            changed = await client.webhooks.update(webhook.id, enabled=False)
            assert (webhook.secret[:6], changed.enabled) == ("whsec_", False)
            await client.webhooks.delete(webhook.id)
            assert [one async for one in client.webhooks.list()] == []
            assert (await client.server.root()).name == "narrows"

    run(work)


SIZE, PARTS = 10_500, 11


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("narrows.client.transfer.LARGE", 1000)
    monkeypatch.setattr("service.upload_sessions.beginning.PART_SIZE", 1000)
    path = tmp_path / "large.npz"
    path.write_bytes(os.urandom(SIZE))
    return path


def test_a_large_file_goes_on_after_a_cut(server: str, key: str, large: Path) -> None:
    sent: list[str] = []

    @asynccontextmanager
    async def counting() -> AsyncIterator[AsyncClient]:
        async with AsyncClient(server, key) as client:
            send = client._connection.send_once

            async def send_once(method: str, path: str, **request: Any) -> httpx.Response:
                if method == "PUT":
                    sent.append(path)
                return await send(method, path, **request)

            client._connection.send_once = send_once  # type: ignore[method-assign]
            yield client

    async def work() -> None:
        count = 0

        def cut(size: int) -> None:
            nonlocal count
            count += size
            if count > SIZE / 2:
                raise asyncio.CancelledError

        async with counting() as client:
            with pytest.raises(asyncio.CancelledError):
                await client.datasets.upload(large, cut, transform={"scale": 0.5})
            (session,) = [one async for one in client.uploads.list()]
            arrived = (await client.uploads.retrieve(session.id)).received
            assert arrived
        sent.clear()
        read: list[int] = []
        until = datetime.now(UTC) + timedelta(days=1)
        async with counting() as client:
            uploaded = await client.datasets.upload(
                large, read.append, transform={"scale": 0.5}, expires_at=until
            )
        numbers = [int(path.rpartition("/")[2]) for path in sent]
        assert len({*numbers, *arrived}) == len(numbers) + len(arrived)  # none is sent twice
        assert (uploaded.size, sum(read), uploaded.transform) == (SIZE, SIZE, {"scale": 0.5})
        assert uploaded.expires_at == until

    run(work)
