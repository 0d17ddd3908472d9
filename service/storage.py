"""Content-addressed files: a local folder, or S3 and the like, through obstore.

An object is written to a staging name and renamed to its SHA-256 when it is whole, so nothing
half-written is ever found under an address.
"""

import errno
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

_DAY = 24 * 60 * 60
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Stored:
    """A whole object that waits under its staging name to be kept."""

    sha256: str
    size: int
    staging: str


class Storage:
    """The objects under one URL: `file:///folder`, `s3://bucket/prefix`, ….

    Every method raises OSError, with ENOSPC when the disk or quota is used up.
    """

    def __init__(self, url: str) -> None:
        if url.startswith("file:"):
            self._store = from_url(url, mkdir=True)
        else:
            self._store = from_url(url)

    def incoming(self) -> "Incoming":
        """Begin an object whose bytes arrive piece by piece."""
        return Incoming(self._store)

    def put(self, data: bytes) -> Stored:
        """Stage a small object at once."""
        stored = Stored(hashlib.sha256(data).hexdigest(), len(data), _staging_name())
        with _as_os_error():
            obstore.put(self._store, stored.staging, data)
        return stored

    def put_file(self, path: Path) -> Stored:
        """Stage a file of any size, read piece by piece."""
        staging, digest, size = _staging_name(), hashlib.sha256(), 0
        try:
            with (
                _as_os_error(),
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
        """Move a staged object to its address, where it replaces its own equal at most."""
        with _as_os_error():
            obstore.rename(self._store, stored.staging, _address(stored.sha256))

    def discard(self, stored: Stored) -> None:
        """Drop a staged object, if it is still there."""
        self._delete(stored.staging)

    def delete(self, sha256: str) -> None:
        """Delete an object, if it is there."""
        self._delete(_address(sha256))

    def fetch(self, sha256: str, into: Path) -> Path:
        """Return the path of an object's file: the object itself in a local folder, else a copy.

        The copy stays in the folder `into` for the next time. Raises FileNotFoundError when there
        is no such object, and OSError when what came is not what was asked for.
        """
        address = _address(sha256)
        if isinstance(self._store, LocalStore):
            path = Path(str(self._store.prefix)) / address
            if not path.is_file():
                raise FileNotFoundError(errno.ENOENT, "no such object", sha256)
            return path
        path = into / sha256
        if not path.exists():
            self._download(address, path)
        return path

    async def read(self, sha256: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Return the bytes `start` … `stop − 1` of an object, at least one, piece by piece.

        Raises FileNotFoundError, before there is a first piece, when there is no such object.
        """
        with _as_os_error():
            found = await obstore.get_async(
                self._store, _address(sha256), options={"range": (start, stop)}
            )
        return _pieces(found)

    def sweep(self) -> None:
        """Drop what processes that were killed left half-written, more than a day ago.

        In a local folder only; elsewhere that is for the bucket's lifecycle rules.
        """
        if isinstance(self._store, LocalStore):
            for path in Path(str(self._store.prefix)).glob("staging/*"):
                if path.stat().st_mtime < time.time() - _DAY:
                    path.unlink(missing_ok=True)

    def _download(self, address: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        digest = hashlib.sha256()
        try:
            with _as_os_error(), partial.open("wb") as file:
                for chunk in obstore.get(self._store, address):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != path.name:
                raise OSError(errno.EIO, "the stored object differs from its address", path.name)
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)

    def _delete(self, path: str) -> None:
        with _as_os_error(), suppress(FileNotFoundError):
            obstore.delete(self._store, path)


class Incoming:
    """An object on its way in: `write` its pieces, then `finish`. Dropped, it leaves nothing."""

    def __init__(self, store: obstore.store.ObjectStore) -> None:
        self._staging = _staging_name()
        self._writer = obstore.open_writer_async(store, self._staging)
        self._digest = hashlib.sha256()
        self.size = 0

    async def write(self, chunk: bytes | bytearray) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        with _as_os_error():
            await self._writer.write(chunk)

    async def finish(self) -> Stored:
        """Return the staged object, which the caller keeps or discards."""
        with _as_os_error():
            await self._writer.close()
        return Stored(self._digest.hexdigest(), self.size, self._staging)


async def _pieces(found: "obstore.GetResult") -> AsyncIterator[bytes]:
    with _as_os_error():
        async for chunk in found.stream(_CHUNK):
            yield bytes(chunk)


def _staging_name() -> str:
    return f"staging/{secrets.token_hex(16)}"


def _address(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise obstore's errors as OSError, which they hold only in their text."""
    try:
        yield
    except (BaseError, OSError) as error:
        if not isinstance(error, BaseError) and (error.errno or type(error) is not OSError):
            raise  # it says what happened
        full = any(f"os error {code})" in str(error) for code in (errno.ENOSPC, errno.EDQUOT))
        code = errno.ENOSPC if full else errno.EIO
        raise OSError(code, os.strerror(code), str(error).partition("\n")[0]) from error
