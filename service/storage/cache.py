"""A cache of remote objects on the local disk; the least recently used copies are deleted first."""

import hashlib
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from service.storage.damage import DamagedFileError

IN_USE_SECONDS: Final = 15 * 60
"""A copy that was used more recently may be about to be opened: it stays, even beyond the limit."""


def save(pieces: Iterable[bytes], size: int, path: Path, limit: int) -> None:
    """Write an object of `size` bytes atomically to `path`, whose name is the object's SHA-256.

    Older copies in the folder are deleted so that all copies have at most `limit` bytes, except
    those in use. Raises DamagedFileError if the pieces have another hash.
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
            raise DamagedFileError(path.name)
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


def _make_room(folder: Path, limit: int) -> None:
    """Delete the least recently used copies, partial ones too, until `limit` bytes are left."""
    copies = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker deletes copies as well
            status = path.stat()
            copies.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in copies)
    for used_at, size, path in sorted(copies):
        if total <= limit or used_at > time.time() - IN_USE_SECONDS:
            return
        path.unlink(missing_ok=True)
        total -= size
