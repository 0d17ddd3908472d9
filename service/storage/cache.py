"""Copies of remote objects on this machine's disk; those longest unused make room for others."""

import errno
import hashlib
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

IN_USE_SECONDS: Final = 15 * 60
"""A copy fetched so lately may be about to be opened; it stays, even beyond the limit."""


def save(pieces: Iterable[bytes], size: int, path: Path, limit: int) -> None:
    """Write the object of `size` bytes whose SHA-256 is the name of `path`, whole or not at all.

    Afterwards the copies in its folder have `limit` bytes at most, but for those in use. Raises
    OSError when what came is not what was asked for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _make_room(path.parent, limit - size)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    digest = hashlib.sha256()
    try:
        with partial.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != path.name:
            raise OSError(errno.EIO, "the stored object differs from its address", path.name)
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


def _make_room(folder: Path, limit: int) -> None:
    """Drop the copies longest unused until `limit` bytes are left; half-written ones too."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker drops them as well
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for used_at, size, path in sorted(found):
        if total <= limit or used_at > time.time() - IN_USE_SECONDS:
            return
        path.unlink(missing_ok=True)
        total -= size
