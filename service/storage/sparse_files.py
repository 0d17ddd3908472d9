"""Parts in a local folder: each writes into its place in one sparse file, and nothing is copied."""

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from service.storage.parts import Part, WrongContentError, damaged, pieces
from service.storage.stored import Stored, staging_name

_READ: Final = 1 << 20
_NEW_SECONDS: Final = 60 * 60
"""A younger file may be of a session that is just being recorded."""


class SparseFiles:
    """The files of sessions in `folder`, which other processes may use as well.

    Whoever writes a part holds a shared lock on the file. Whoever hashes the whole holds an
    exclusive one until the file is at its address: so nobody can change what was hashed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, session: str, size: int) -> None:
        path = self._path(session)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.truncate(file, size)
            os.fsync(file)
        finally:
            os.close(file)

    @asynccontextmanager
    async def writer(self, session: str, number: int, start: int) -> AsyncIterator["_Section"]:  # noqa: ARG002 - the place follows from the start
        section = _Section(_locked(self._path(session), fcntl.LOCK_SH), start)
        try:
            yield section
        finally:
            section.close()

    @contextmanager
    def whole(self, session: str, parts: Sequence[Part], sha256: str) -> Iterator[Stored]:
        path = self._path(session)
        file = _locked(path, fcntl.LOCK_EX)
        try:
            size = os.fstat(file).st_size
            if (found := _sha256(file, 0, size)) != sha256:
                broken = damaged(parts, lambda p: _sha256(file, p.start, p.start + p.size))
                raise WrongContentError(found, broken)
            os.utime(file)  # the name that follows is new to the sweeper
            stored = Stored(sha256, size, staging_name())
            _link(path, self._folder / stored.staging)
            yield stored
        finally:
            os.close(file)

    def discard(self, session: str) -> None:
        self._path(session).unlink(missing_ok=True)

    def sessions(self) -> Iterator[str]:
        for path in self._path("").glob("*"):
            if path.stat().st_mtime < time.time() - _NEW_SECONDS:
                yield path.name

    def _path(self, session: str) -> Path:
        return self._folder / "uploads" / session


class _Section:
    """Writes into an open file from `start` on.

    A request may end while a thread writes, so closing waits for it: the number of a closed file
    may be another file's.
    """

    def __init__(self, file: int, start: int) -> None:
        self._file, self._position = file, start
        self._using, self._closed = threading.Lock(), False

    async def write(self, chunk: bytes | bytearray) -> None:
        await asyncio.to_thread(self._write, memoryview(chunk))

    async def finish(self) -> str:
        await asyncio.to_thread(self._sync)
        return ""

    def close(self) -> None:
        with self._using:
            self._closed = True
            os.close(self._file)

    def _write(self, left: memoryview) -> None:
        with self._using:
            while left and not self._closed:
                written = os.pwrite(self._file, left, self._position)
                self._position += written
                left = left[written:]

    def _sync(self) -> None:
        with self._using:
            if not self._closed:
                os.fsync(self._file)


def _locked(path: Path, kind: int) -> int:
    """Return an open file with a lock on it; raise BlockingIOError if another one forbids that."""
    file = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BaseException:
        os.close(file)
        raise
    return file


def _sha256(file: int, start: int, stop: int) -> str:
    digest = hashlib.sha256()
    for position, size in pieces(start, stop, _READ):
        digest.update(os.pread(file, size, position))
    return digest.hexdigest()


def _link(path: Path, name: Path) -> None:
    """Give the file another name; copy it where the file system has no links."""
    name.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        name.hardlink_to(path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        shutil.copyfile(path, name)
