"""Workers that may only read the storage: what they build goes to a folder, and the API takes it.

So a worker that was taken over can't change or delete what others have stored. See
docs/security.md, "What a compromised worker reaches".
"""

import asyncio
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from service.settings import Settings
from service.storage.objects import Storage
from service.storage.stored import Stored

_NAME: Final = re.compile(r"[0-9a-f]{64}")
_CHUNK: Final = 1 << 20
_DAY: Final = 24 * 60 * 60


def workers_storage(settings: Settings) -> Storage:
    """Return the storage as a worker may use it."""
    options = settings.resolved_storage_url, settings.cache_bytes
    if settings.handover is None:
        return Storage(options[0], cache_bytes=options[1])
    return ReadOnlyStorage(*options, settings.handover)


def apis_storage(settings: Settings) -> "Storage":
    """Return the storage as the API uses it."""
    if settings.handover is None:
        return Storage(settings.resolved_storage_url)
    return TakingStorage(settings.resolved_storage_url, settings.handover)


class ReadOnlyStorage(Storage):
    """A storage to read from, beside a folder for what this worker builds."""

    def __init__(self, url: str, cache_bytes: int, folder: Path) -> None:
        super().__init__(url, cache_bytes=cache_bytes)
        self._folder = folder

    def put_file(self, path: Path) -> Stored:
        """Stage a file in the folder."""
        staging, digest, size = f".{secrets.token_hex(16)}", hashlib.sha256(), 0
        with path.open("rb") as source, (self._folder / staging).open("wb") as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += target.write(chunk)
        return Stored(digest.hexdigest(), size, staging)

    def keep(self, stored: Stored) -> None:
        """Give a staged file the name that the API looks for."""
        (self._folder / stored.staging).rename(self._folder / stored.sha256)

    def discard(self, stored: Stored) -> None:
        """Delete a staged file, if it still exists."""
        (self._folder / stored.staging).unlink(missing_ok=True)

    def fetch(self, sha256: str, into: Path) -> Path:
        """Return the path of a file, also of one that the API has not taken yet."""
        for _ in range(2):  # the API may take it just between the two places
            with suppress(FileNotFoundError):
                return super().fetch(sha256, into)
            path = self._folder / sha256
            with suppress(FileNotFoundError):
                self._verified.require(path, sha256)
                return path
        return super().fetch(sha256, into)


class TakingStorage(Storage):
    """The storage of an API, which takes over what workers leave in a folder."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def read(self, sha256: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Return bytes of an object as `Storage.read` does; take it over first if it waits."""
        if (self._folder / sha256).exists():
            await asyncio.to_thread(self._take, sha256)
        return await super().read(sha256, start, stop)

    def take_over(self, known: Callable[[Collection[str]], Collection[str]]) -> None:
        """Take over the files that records name, as `known` says; delete others after a day."""
        names = [path.name for path in self._folder.iterdir()]
        recorded = set(known([name for name in names if _NAME.fullmatch(name)]))
        for name in names:
            if name in recorded:
                self._take(name)
            else:
                with suppress(OSError):
                    path = self._folder / name
                    if path.lstat().st_mtime < time.time() - _DAY:
                        path.unlink()

    def _take(self, sha256: str) -> None:
        """Copy a file into the storage, if it is what its name says, and delete it.

        A copy, since its worker may still have the file open. Its hash is checked, since a worker
        that was taken over may leave anything.
        """
        path = self._folder / sha256
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # a link, or taken by another API
            descriptor = None
        if descriptor is not None:
            try:
                self._copy(descriptor, sha256)
            finally:
                os.close(descriptor)
        with suppress(OSError):  # a folder, or gone
            path.unlink()

    def _copy(self, descriptor: int, sha256: str) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        stored = self.put_file(Path(f"/proc/self/fd/{descriptor}"))
        if stored.sha256 == sha256:
            self.keep(stored)
        else:
            self.discard(stored)
