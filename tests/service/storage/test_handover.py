"""Workers that may only read the storage hand over what they build, and the API takes it."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from service.settings import Settings
from service.storage.damage import DamagedFileError
from service.storage.handover import ReadOnlyStorage, TakingStorage, apis_storage, workers_storage
from service.storage.stored import Stored

CONTENT = b"a built network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, handover=tmp_path / "handover")


@pytest.fixture
def api(settings: Settings) -> TakingStorage:
    storage = apis_storage(settings)
    assert isinstance(storage, TakingStorage)
    return storage


@pytest.fixture
def worker(settings: Settings, api: TakingStorage) -> ReadOnlyStorage:
    storage = workers_storage(settings)
    assert isinstance(storage, ReadOnlyStorage)
    return storage


@pytest.fixture
def built(worker: ReadOnlyStorage, tmp_path: Path) -> Stored:
    (tmp_path / "built").write_bytes(CONTENT)
    stored = worker.put_file(tmp_path / "built")
    worker.keep(stored)
    return stored


def files(settings: Settings) -> list[str]:
    return [path.name for path in (settings.data / "files").rglob("*") if path.is_file()]


def waiting(settings: Settings) -> list[str]:
    return [path.name for path in (settings.data / "handover").iterdir()]


async def read(storage: TakingStorage, sha256: str) -> bytes:
    return b"".join([piece async for piece in await storage.read(sha256, 0, len(CONTENT))])


def test_the_worker_writes_nothing_to_the_storage(built: Stored, settings: Settings) -> None:
    assert (built.sha256, built.size) == (SHA256, len(CONTENT))
    assert (files(settings), waiting(settings)) == ([], [SHA256])


def test_other_workers_read_it_before_and_after(
    worker: ReadOnlyStorage, api: TakingStorage, built: Stored, tmp_path: Path
) -> None:
    assert worker.fetch(built.sha256, tmp_path).read_bytes() == CONTENT
    api.take_over(lambda hashes: hashes)
    assert worker.fetch(built.sha256, tmp_path).is_relative_to(tmp_path / "files")


def test_a_download_need_not_wait(api: TakingStorage, built: Stored, settings: Settings) -> None:
    assert asyncio.run(read(api, built.sha256)) == CONTENT
    assert (files(settings), waiting(settings)) == ([SHA256], [])


def test_what_was_discarded(worker: ReadOnlyStorage, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "built").write_bytes(CONTENT)
    worker.discard(worker.put_file(tmp_path / "built"))
    assert waiting(settings) == []


@pytest.mark.parametrize("kind", ["other content", "link", "pipe", "folder"])
def test_what_a_captured_worker_leaves_is_not_taken(
    kind: str, api: TakingStorage, settings: Settings, tmp_path: Path, worker: ReadOnlyStorage
) -> None:
    path = tmp_path / "handover" / SHA256
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    if kind == "other content":
        path.write_bytes(b"forged")
        with pytest.raises(DamagedFileError):
            worker.fetch(SHA256, tmp_path)
    elif kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    api.take_over(lambda hashes: hashes)
    assert files(settings) == []


def test_without_a_record_it_waits_a_day(
    api: TakingStorage, built: Stored, settings: Settings
) -> None:
    api.take_over(lambda _: ())
    assert (files(settings), waiting(settings)) == ([], [SHA256])
    os.utime(settings.data / "handover" / SHA256, (0, 0))
    api.take_over(lambda _: ())
    assert waiting(settings) == []
