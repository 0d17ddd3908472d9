"""Archives of files: their names and sizes, and each file's bytes as a stream.

Nothing is ever extracted: a name only says what a file is.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import IO

from worker.formats.refusals import invalid, quoted

MAX_MEMBERS = 400_000
"""The most files of an archive."""
MAX_NAME = 1_000
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")


class Container(ABC):
    """The files of an archive: `sizes` in bytes by name, in the archive's order."""

    sizes: Mapping[str, int]

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Return a stream of a file, which raises RefusedError where the archive is damaged."""

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file; raise RefusedError if there are more than `limit`."""
        if self.sizes[name] > limit:
            raise invalid(
                f"{quoted(name)} has {self.sizes[name]:,} bytes; at most {limit:,} are read."
            )
        data = bytearray()
        with self.open(name) as file:
            while chunk := file.read(min(1 << 20, self.sizes[name] - len(data) + 1)):
                data += chunk
        if len(data) != self.sizes[name]:
            raise invalid(f"{quoted(name)} ends early: the archive is damaged.")
        return bytes(data)

    def keeping(self, names: Iterable[str]) -> "Container":  # noqa: ARG002
        """Return an archive that reads these files at random; in memory, if it could not else."""
        return self


class Names:
    """Collects the names of files in an archive; `add` raises RefusedError for unsafe ones."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, raw: bytes) -> str | None:
        """Return the name of the next file, None if it is a system's own, such as `.DS_Store`."""
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            name = raw.decode("cp437")  # as zip had it before UTF-8
        if len(self._seen) >= MAX_MEMBERS:
            raise invalid(
                f"The archive holds more than {MAX_MEMBERS:,} files. Upload a sample of the data."
            )
        name = name.removeprefix("./")
        path = PurePosixPath(name)
        if (
            not name or len(name) > MAX_NAME or not name.isprintable() or "\\" in name
            or path.is_absolute() or ".." in path.parts or str(path) != name
        ):  # fmt: skip
            raise invalid(f"The archive holds a file with the name {quoted(name)}, which no plain "
                          "file has. Archive the folder again.")  # fmt: skip
        if name in self._seen:
            raise invalid(f"The archive holds two files {quoted(name)}. Archive the folder again.")
        self._seen.add(name)
        junk = any(part.startswith(".") or part in _JUNK for part in path.parts)
        return None if junk else name


class Stream(io.RawIOBase):
    """Bytes that come one after another."""

    def next_bytes(self, size: int) -> bytes:
        """Return 1 to `size` bytes, none at the end; raise RefusedError for damaged data."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.next_bytes(len(buffer)) if len(buffer) else b""
        buffer[: len(data)] = data
        return len(data)
