import asyncio
import errno
import hashlib
import os
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from service.storage.damage import DamagedFileError
from service.storage.objects import Storage
from service.storage.stored import Stored

DATA = b"some bytes" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder"


@pytest.fixture
def storage(folder: Path) -> Storage:
    return Storage(folder.as_uri())


async def write(storage: Storage, chunk: bytes, times: int) -> Stored:
    incoming = storage.incoming()
    for _ in range(times):
        await incoming.write(chunk)
    return await incoming.finish()


def test_nothing_is_found_before_it_is_kept(storage: Storage, folder: Path) -> None:
    stored = asyncio.run(write(storage, b"some bytes", 1000))
    assert (stored.sha256, stored.size) == (SHA256, len(DATA))
    with pytest.raises(FileNotFoundError):
        storage.fetch(SHA256, folder / "cache")
    storage.keep(stored)
    assert files(folder) == [folder / SHA256[:2] / SHA256]
    assert storage.fetch(SHA256, folder / "cache").read_bytes() == DATA


def test_larger_than_the_buffer(storage: Storage, folder: Path) -> None:
    stored = asyncio.run(write(storage, b"x" * (1 << 20), 25))
    storage.keep(stored)
    assert storage.fetch(stored.sha256, folder).stat().st_size == 25 << 20


def test_dropped_on_the_way(storage: Storage, folder: Path) -> None:
    async def begin() -> None:
        await storage.incoming().write(b"x" * (25 << 20))

    asyncio.run(begin())
    assert not any(path.parent != folder / "staging" for path in files(folder))


@pytest.mark.parametrize("url", ["file", "memory:///"])
def test_a_file_goes_in_and_parts_come_out(url: str, folder: Path, tmp_path: Path) -> None:
    storage = Storage(folder.as_uri() if url == "file" else url)
    content = os.urandom(5 << 20)
    (tmp_path / "built").write_bytes(content)
    stored = storage.put_file(tmp_path / "built")
    assert (stored.sha256, stored.size) == (hashlib.sha256(content).hexdigest(), len(content))
    storage.keep(stored)

    async def read(start: int, stop: int) -> bytes:
        return b"".join([chunk async for chunk in await storage.read(stored.sha256, start, stop)])

    assert asyncio.run(read(0, len(content))) == content
    assert asyncio.run(read(3, 2 << 20)) == content[3 : 2 << 20]
    storage.delete(stored.sha256)
    with pytest.raises(FileNotFoundError):
        asyncio.run(read(0, 1))


def test_a_file_that_can_not_be_read_leaves_nothing(storage: Storage, folder: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        storage.put_file(folder)
    assert files(folder) == []


def test_left_by_a_killed_process(storage: Storage, folder: Path) -> None:
    old, new = storage.put(b"old"), storage.put(b"new")
    os.utime(folder / old.staging, (0, 0))
    storage.sweep()
    assert files(folder) == [folder / new.staging]


def test_keep_discard_delete(storage: Storage, folder: Path) -> None:
    for _ in range(2):
        storage.keep(storage.put(DATA))
    assert len(files(folder)) == 1
    storage.discard(storage.put(DATA))
    assert len(files(folder)) == 1
    for _ in range(2):
        storage.delete(SHA256)
    assert files(folder) == []


def test_remote_objects_are_copied_once(tmp_path: Path) -> None:
    storage = Storage("memory:///")
    storage.keep(storage.put(DATA))
    copy = storage.fetch(SHA256, tmp_path / "cache")
    assert copy.read_bytes() == DATA
    storage.delete(SHA256)
    assert storage.fetch(SHA256, tmp_path / "cache") == copy
    with pytest.raises(FileNotFoundError):
        storage.fetch(SHA256, tmp_path / "another")
    assert files(tmp_path) == [copy]


@pytest.mark.parametrize("url", ["file", "memory:///"])
def test_a_file_that_was_swapped_is_refused(tmp_path: Path, url: str) -> None:
    storage = Storage((tmp_path / "files").as_uri() if url == "file" else url)
    storage.keep(storage.put(DATA))
    path = storage.fetch(SHA256, tmp_path / "cache")
    assert storage.fetch(SHA256, tmp_path / "cache") == path
    path.write_bytes(DATA[::-1])
    for _ in range(2):
        with pytest.raises(DamagedFileError, match="differs"):
            storage.fetch(SHA256, tmp_path / "cache")
    path.write_bytes(DATA)
    assert storage.fetch(SHA256, tmp_path / "cache") == path


def test_a_copy_that_differs_is_refused(tmp_path: Path) -> None:
    storage = Storage("memory:///")
    stored = storage.put(b"other bytes")
    storage.keep(Stored(SHA256, stored.size, stored.staging))
    with pytest.raises(OSError, match="differs"):
        storage.fetch(SHA256, tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("kind", [GenericError, OSError])  # its writers raise the second
def test_disk_full(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def full(*_: object) -> None:
        text = "Generic LocalFileSystem error: No space left on device (os error 28)\n\nDebug…"
        raise kind(text)

    monkeypatch.setattr("obstore.put", full)
    with pytest.raises(OSError, match="No space left") as caught:
        storage.put(DATA)
    assert caught.value.errno == errno.ENOSPC


def test_other_faults(storage: Storage, folder: Path) -> None:
    (folder / SHA256[:2]).write_bytes(b"a file where a folder should be")
    with pytest.raises(OSError, match="error"):
        storage.keep(storage.put(DATA))


def test_other_stores_by_url() -> None:
    assert isinstance(Storage("memory:///")._store, MemoryStore)
