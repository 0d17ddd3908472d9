"""Content-addressed files, in a local folder or in a store such as S3, through obstore.

An object is written under a staging name and renamed to its SHA-256 when it is complete, so no
address ever holds a partial object.
"""

import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from service.storage import cache
from service.storage.damage import DamagedFileError, Verified
from service.storage.errors import as_os_error
from service.storage.part_objects import PartObjects
from service.storage.parts import PartStorage
from service.storage.sparse_files import SparseFiles
from service.storage.stored import Stored, address, staging_name

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_DAY: Final = 24 * 60 * 60
_CHUNK: Final = 1 << 20
_CLIENT: Final["ClientConfig"] = {
    "allow_http": True,  # if AWS_ENDPOINT_URL says so
    "connect_timeout": "5s",
    "read_timeout": "60s",  # the server may take a while to copy a large object
    "timeout": "6h",  # of a whole download
}
_RETRY: Final["RetryConfig"] = {"max_retries": 5, "retry_timeout": timedelta(seconds=20)}


class Storage:
    """The objects under one URL: `file:///folder`, `s3://bucket/prefix`, ….

    Credentials and endpoints come from the store's usual environment variables
    (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …). Every method raises StorageError, with ENOSPC if
    the disk or quota is full, and OSError for a file outside of the storage.
    """

    def __init__(self, url: str, *, cache_bytes: int = 0) -> None:
        self._cache_bytes = cache_bytes
        self._verified = Verified()
        self._store: ObjectStore
        self.parts: PartStorage
        if url.startswith("file:"):
            # Not `from_url`, which refuses some of the characters that a folder may have.
            self._store = LocalStore(unquote(urlsplit(url).path), mkdir=True)
            self.parts = SparseFiles(Path(str(self._store.prefix)))
        else:
            self._store = from_url(url, client_options=_CLIENT, retry_config=_RETRY)
            self.parts = PartObjects(self._store)

    def incoming(self) -> "Incoming":
        """Return a writer for an object whose bytes arrive in pieces."""
        return Incoming(self._store)

    def put(self, data: bytes) -> Stored:
        """Stage a small object."""
        stored = Stored(hashlib.sha256(data).hexdigest(), len(data), staging_name())
        with as_os_error():
            obstore.put(self._store, stored.staging, data)
        return stored

    def put_file(self, path: Path) -> Stored:
        """Stage a file of any size; it is read in pieces."""
        staging, digest, size = staging_name(), hashlib.sha256(), 0
        try:
            with (
                as_os_error(),
                path.open("rb") as file,
                obstore.open_writer(self._store, staging) as writer,
            ):
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    writer.write(chunk)
        except BaseException:
            self._delete(staging)
            raise
        return Stored(digest.hexdigest(), size, staging)

    def keep(self, stored: Stored) -> None:
        """Move a staged object to its address; an object already there has the same content."""
        if not stored.in_place:
            with as_os_error():
                obstore.rename(self._store, stored.staging, address(stored.sha256))

    def discard(self, stored: Stored) -> None:
        """Delete a staged object, if it still exists."""
        if not stored.in_place:
            self._delete(stored.staging)

    def delete(self, sha256: str) -> None:
        """Delete an object, if it exists."""
        self._delete(address(sha256))

    def fetch(self, sha256: str, into: Path) -> Path:
        """Return the path of an object's file: the object itself in a local folder, else a copy.

        The copy stays in the folder `into` until other copies need its space. Raises
        FileNotFoundError if there is no such object, and DamagedFileError if it was changed.
        """
        if isinstance(self._store, LocalStore):
            path = Path(str(self._store.prefix)) / address(sha256)
            if not path.is_file():
                raise FileNotFoundError(errno.ENOENT, "no such object", sha256)
            self._verified.require(path, sha256)
            return path
        path = into / sha256
        try:
            os.utime(path)  # marks the copy as used
        except FileNotFoundError:
            with as_os_error(FileNotFoundError):
                content = obstore.get(self._store, address(sha256))
                cache.save(content, content.meta["size"], path, self._cache_bytes)
        self._verified.require(path, sha256)
        return path

    def is_intact(self, sha256: str, size: int) -> bool:
        """Return whether an object is there as it was kept; of a remote one, by its size alone."""
        try:
            if isinstance(self._store, LocalStore):
                self.fetch(sha256, Path())
                return True
            with as_os_error(FileNotFoundError):
                return obstore.head(self._store, address(sha256))["size"] == size
        except (FileNotFoundError, DamagedFileError):
            return False

    async def read(self, sha256: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Return the bytes `start` … `stop − 1` of an object (at least one byte), in pieces.

        Raises FileNotFoundError, before the first piece, if there is no such object.
        """
        with as_os_error(FileNotFoundError):
            content = await obstore.get_async(
                self._store, address(sha256), options={"range": (start, stop)}
            )
        return _pieces(content)

    def objects(self) -> Iterator[tuple[str, int, datetime]]:
        """Yield the SHA-256, the size and the age of every object, by listing the storage."""
        with as_os_error():
            for entry in chain.from_iterable(obstore.list(self._store)):
                name = entry["path"].rpartition("/")[2]
                if entry["path"] == address(name):
                    yield name, entry["size"], entry["last_modified"]

    def sweep(self) -> None:
        """Delete staged objects older than a day, which killed processes have left.

        Multipart uploads to S3 that were never completed need a lifecycle rule of the bucket.
        """
        if isinstance(self._store, LocalStore):  # obstore does not list its partial files
            for path in Path(str(self._store.prefix)).glob("staging/*"):
                with suppress(FileNotFoundError):  # other processes sweep as well
                    if path.stat().st_mtime < time.time() - _DAY:
                        path.unlink()
            return
        with as_os_error():
            for entry in chain.from_iterable(obstore.list(self._store, "staging")):
                if entry["last_modified"].timestamp() < time.time() - _DAY:
                    self._delete(entry["path"])

    def _delete(self, path: str) -> None:
        with suppress(FileNotFoundError), as_os_error(FileNotFoundError):
            obstore.delete(self._store, path)


class Incoming:
    """A writer of a new object: `write` its pieces, then `finish` or `drop` it."""

    def __init__(self, store: obstore.store.ObjectStore) -> None:
        self._store, self._staging = store, staging_name()
        self._writer = obstore.open_writer_async(store, self._staging)
        self._digest = hashlib.sha256()
        self.size = 0

    async def write(self, chunk: bytes | bytearray) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        with as_os_error():
            await self._writer.write(chunk)

    async def finish(self) -> Stored:
        """Return the staged object, which the caller keeps or discards."""
        with as_os_error():
            await self._writer.close()
        return Stored(self._digest.hexdigest(), self.size, self._staging)

    async def drop(self) -> None:
        """Delete the object, finished or not; errors of the storage are ignored."""
        with suppress(OSError), as_os_error():
            if not await self._writer.closed():
                await self._writer.close()  # only a completed multipart upload can be deleted
            await obstore.delete_async(self._store, self._staging)


async def _pieces(content: "obstore.GetResult") -> AsyncIterator[bytes]:
    with as_os_error():
        async for chunk in content.stream(_CHUNK):
            yield bytes(chunk)
