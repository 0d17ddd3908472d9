"""Recognizes stored files that are not what their address says: it is their SHA-256."""

import errno
import hashlib
from pathlib import Path


class DamagedFileError(OSError):
    """A stored file has another content than when it was uploaded."""

    def __init__(self, sha256: str) -> None:
        super().__init__(errno.EIO, "the stored object differs from its hash", sha256)


class Verified:
    """The files that this process has verified; one that has changed since is verified again."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def require(self, path: Path, sha256: str) -> None:
        """Raise DamagedFileError if the file has another SHA-256."""
        status = path.stat()
        now = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._seen.get(path) == now:
            return
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise DamagedFileError(sha256)
        self._seen[path] = now
