"""Uploads as files: by their path, or by a descriptor that was given for it.

A child in the sandbox can open no upload itself. Its parent opens the files of a call, and hands
over their descriptors; the path then is only their name.
"""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

_given: dict[str, int] = {}


@contextmanager
def given(descriptors: Mapping[str, int]) -> Iterator[None]:
    """Let `open_file` use these descriptors, by path, in the context; close them afterwards."""
    _given.update(descriptors)
    try:
        yield
    finally:
        for path, descriptor in descriptors.items():
            del _given[path]
            os.close(descriptor)


def open_file(path: str | Path) -> BinaryIO:
    """Return the file, open for reading from its beginning.

    Each has a position of its own, also where several threads read the same file.
    """
    descriptor = _given.get(str(path))
    own = os.open(path, os.O_RDONLY) if descriptor is None else os.dup(descriptor)
    return cast("BinaryIO", io.BufferedReader(_Positioned(own), 1 << 16))


class _Positioned(io.RawIOBase):
    """A file with its own position; descriptors that were duplicated share theirs."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._position = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        count = os.preadv(self._descriptor, [buffer], self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        self._position = offset + (os.fstat(self._descriptor).st_size if base is None else base)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
