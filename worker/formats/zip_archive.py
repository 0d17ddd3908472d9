"""Zip archives of data: the files that they list, stored or deflated.

Names and sizes come from the directory alone, and nothing else reads the archive: two readers could
see two contents. See docs/security.md, "Rules for data".
"""

import io
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from worker.errors import RefusedError
from worker.formats.container import MAX_MEMBERS, Container, Names, Stream
from worker.formats.files import open_file
from worker.formats.refusals import invalid, quoted
from worker.formats.zip_directory import Entry, data_start, read_directory

MAX_DIRECTORY: Final = 64 << 20
"""The largest directory in bytes."""
MAX_RATIO: Final = 1_100
"""How much a byte can inflate to: deflate's own bound is 1,032."""
STORED: Final = 0
DEFLATED: Final = 8
_ENCRYPTED = 0x2041
_HEADER = 30
"""The bytes of a local header, without its name."""


class ZipArchive(Container):
    """The files of a zip archive; raises RefusedError for what no tool writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _as_invalid(), open_file(path) as file:
            entries = read_directory(file, MAX_MEMBERS, MAX_DIRECTORY)
        _check_overlaps(entries)
        names = Names()
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            raw = entry.name.encode("latin-1")
            if raw.endswith(b"/"):
                continue
            if (name := names.add(raw)) is not None:
                _check(entry, name)
                self._entries[name] = entry
        self.sizes = {name: entry.size for name, entry in self._entries.items()}

    def open(self, name: str) -> IO[bytes]:
        entry = self._entries[name]
        file = open_file(self._path)
        with _as_invalid():
            file.seek(data_start(file, entry))
        return cast("IO[bytes]", io.BufferedReader(_Member(file, entry, name), 1 << 16))


def _check_overlaps(entries: list[Entry]) -> None:
    starts = sorted((e.offset, e.offset + _HEADER + len(e.name) + e.compressed) for e in entries)
    for (_, end), (start, _) in pairwise(starts):
        if end > start:
            raise invalid("Two files of the archive overlap. Archive the folder again.")


def _check(entry: Entry, name: str) -> None:
    if stat.S_IFMT(entry.attributes >> 16) not in (0, stat.S_IFREG):
        raise invalid(f"{quoted(name)} is a link or a device; only plain files are read.")
    if entry.flags & _ENCRYPTED:
        raise invalid(f"{quoted(name)} is encrypted. Archive the folder without a password.")
    if entry.method not in (STORED, DEFLATED):
        raise invalid(
            f"{quoted(name)} is compressed by the method {entry.method}; only stored and deflated "
            "files are read, as `zip -r` and numpy write them."
        )
    most = entry.compressed * (MAX_RATIO if entry.method else 1)
    if entry.size > most or (entry.method == STORED and entry.size != entry.compressed):
        raise invalid(f"The archive states an impossible size of {quoted(name)}.")


class _Member(Stream):
    """The bytes of a file, at most as many as stated; their checksum is checked at the end."""

    def __init__(self, file: BinaryIO, entry: Entry, name: str) -> None:
        super().__init__()
        self._file, self._entry, self._name = file, entry, name
        self._packed, self._left, self._crc = entry.compressed, entry.size, 0
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method else None

    def next_bytes(self, size: int) -> bytes:
        data = self._unpacked(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        if not data and (self._left or self._crc != self._entry.crc or self._goes_on()):
            raise self._damaged("its checksum is wrong" if not self._left else "it ends early")
        return data

    def _unpacked(self, size: int) -> bytes:
        if self._inflate is None:
            return self._raw(size)
        try:
            while True:
                raw = self._inflate.unconsumed_tail or self._raw(1 << 16)
                data = self._inflate.decompress(raw, size)
                if data or not raw or self._inflate.eof:
                    return data
        except zlib.error as error:
            raise self._damaged(str(error)) from None

    def _raw(self, size: int) -> bytes:
        raw = self._file.read(min(size, self._packed))
        self._packed -= len(raw)
        return raw

    def _goes_on(self) -> bool:
        """Return whether there is more than was stated."""
        return bool(self._inflate and not self._inflate.eof and self._unpacked(1))

    def _damaged(self, why: str) -> RefusedError:
        return invalid(f"{quoted(self._name)} is damaged ({why}). Archive the data again.")

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _as_invalid() -> Iterator[None]:
    try:
        yield
    except RefusedError as refused:
        raise invalid(f"{refused.detail} Archive the data again.") from None
