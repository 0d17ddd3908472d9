"""Files on their way, and what callers are told of them."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

from narrows.client.errors import ApiError, UnreachableError

LARGE = 64 << 20
"""Files of more bytes are sent in parts."""

OnRead = Callable[[int], object]
"""Called with the number of bytes of each piece; negative where a transfer begins again."""

OnRetry = Callable[[ApiError | UnreachableError, int, float], object]
"""Called before a repeat with the error, the number of repeats before, and the pause in seconds."""


def sha256_of(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def piece_of(path: Path, start: int, size: int) -> bytes:
    """Return `size` bytes of a file, or fewer at its end."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


class HashedFile(io.FileIO):
    """A file that hashes, and tells `on_read` of, each piece that httpx reads."""

    def __init__(self, path: Path, on_read: OnRead | None) -> None:
        super().__init__(path)
        self._on_read, self._hash, self._read = on_read, hashlib.sha256(), 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size) or b""
        self._hash.update(chunk)
        self._told(len(chunk))
        return chunk

    def sha256_if_whole(self) -> str | None:
        """Return the SHA-256 of what was read, None unless it is the whole file."""
        return self._hash.hexdigest() if self._read == os.fstat(self.fileno()).st_size else None

    def begin_again(self) -> None:
        self._told(-self._read)

    def _told(self, count: int) -> None:
        self._read += count
        if self._on_read is not None:
            self._on_read(count)
