"""Storage on S3, and the API over it."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.database.migrate import upgrade
from service.settings import Settings
from service.storage import objects as module
from service.storage.errors import StorageError
from service.storage.objects import Storage
from service.storage.stored import Stored
from tests.support.answers import created, problem
from tests.support.s3 import S3Server, s3_server

MEBIBYTE = 1 << 20


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def storage(s3: S3Server) -> Storage:
    return Storage(s3.url)


async def write(storage: Storage, content: bytes) -> Stored:
    incoming = storage.incoming()
    for start in range(0, len(content), MEBIBYTE):
        await incoming.write(content[start : start + MEBIBYTE])
    return await incoming.finish()


async def read(storage: Storage, stored: Stored, start: int, stop: int) -> bytes:
    return b"".join([chunk async for chunk in await storage.read(stored.sha256, start, stop)])


def test_a_large_object_goes_in_in_parts_and_comes_out(
    s3: S3Server, storage: Storage, tmp_path: Path
) -> None:
    content = os.urandom(25 * MEBIBYTE)
    stored = asyncio.run(write(storage, content))
    assert s3.keys() == [stored.staging]
    with pytest.raises(FileNotFoundError):
        storage.fetch(stored.sha256, tmp_path)
    storage.keep(stored)
    assert s3.keys() == [f"{stored.sha256[:2]}/{hashlib.sha256(content).hexdigest()}"]
    assert storage.fetch(stored.sha256, tmp_path).read_bytes() == content
    assert asyncio.run(read(storage, stored, 3, 12 * MEBIBYTE)) == content[3 : 12 * MEBIBYTE]
    for _ in range(2):
        storage.delete(stored.sha256)
    assert s3.keys() == s3.unfinished() == []
    with pytest.raises(FileNotFoundError):
        asyncio.run(read(storage, stored, 0, 1))


def test_a_file_goes_in(s3: S3Server, storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "built").write_bytes(os.urandom(12 * MEBIBYTE))
    stored = storage.put_file(tmp_path / "built")
    storage.keep(stored)
    assert storage.fetch(stored.sha256, tmp_path).stat().st_size == stored.size
    with pytest.raises(IsADirectoryError):
        storage.put_file(tmp_path)
    storage.discard(stored)
    assert s3.keys() == [f"{stored.sha256[:2]}/{stored.sha256}"]


@pytest.mark.parametrize("mebibytes", [1, 25])
def test_dropped_on_the_way(s3: S3Server, storage: Storage, mebibytes: int) -> None:
    async def begin() -> None:
        incoming = storage.incoming()
        await incoming.write(bytes(mebibytes * MEBIBYTE))
        await incoming.drop()

    asyncio.run(begin())
    assert s3.keys() == s3.unfinished() == []


def test_sweep(s3: S3Server, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put(b"left by a killed process")
    kept = storage.put(b"kept")
    storage.keep(kept)
    storage.sweep()
    assert len(s3.keys()) == 2
    monkeypatch.setattr(module, "_DAY", -60)
    storage.sweep()
    assert s3.keys() == [f"{kept.sha256[:2]}/{kept.sha256}"]


def test_no_such_bucket(s3: S3Server) -> None:
    storage = Storage("s3://another/prefix")
    with pytest.raises(StorageError, match="404"):
        storage.put(b"some bytes")


def test_away(s3: S3Server, storage: Storage, tmp_path: Path) -> None:
    stored = storage.put(b"some bytes")
    with s3.away():
        for call in (
            lambda: storage.put(b"others"),
            lambda: storage.keep(stored),
            lambda: storage.fetch(stored.sha256, tmp_path),
            lambda: storage.delete(stored.sha256),
        ):
            with pytest.raises(StorageError, match="S3"):
                call()
    storage.keep(stored)
    assert storage.fetch(stored.sha256, tmp_path).read_bytes() == b"some bytes"


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> Settings:
    limit = 30 * MEBIBYTE
    settings = Settings(data=tmp_path, storage_url=s3.url, max_upload_bytes=limit)
    upgrade(settings)
    return settings


def test_an_upload_too_large_leaves_nothing(ann: httpx.Client, s3: S3Server) -> None:
    large = bytes(30 * MEBIBYTE)
    model = created(ann.post("/v1/models", files={"file": large}))
    assert len(s3.keys()) == 1
    assert ann.post("/v1/models", files={"file": large + b"1"}).status_code == 413
    assert (len(s3.keys()), s3.unfinished()) == (1, [])
    assert ann.delete(f"/v1/models/{model['id']}").status_code == 204
    assert s3.keys() == []


def test_the_api_while_storage_is_away(ann: httpx.Client, s3: S3Server) -> None:
    model = created(ann.post("/v1/models", files={"file": b"a model"}))
    with s3.away():
        for answer in (
            ann.post("/v1/models", files={"file": b"another"}),
            ann.delete(f"/v1/models/{model['id']}"),
        ):
            problem(answer, 503, "unavailable")
            assert "Retry-After" in answer.headers
        assert ann.get("/v1/models").json()["items"] == [model]
    assert ann.delete(f"/v1/models/{model['id']}").status_code == 204
    assert s3.keys() == []
