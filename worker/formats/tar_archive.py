"""Tar archives of data, also gzipped: the plain files that they list.

Python's tarfile reads headers of any size, and gets stuck on some. See docs/security.md, "Rules for
data".
"""

import io
import os
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import IO, BinaryIO, Final, NamedTuple, cast

from worker.formats.container import Container, Names, Stream
from worker.formats.files import open_file
from worker.formats.refusals import invalid, quoted
from worker.formats.tar_headers import headers, skip

MAX_UNPACKED: Final = 8 << 30
"""The largest tar archive in bytes, once it is no longer gzipped."""
MAX_RATIO: Final = 100
"""How much larger than its gzipped file an archive of more than `FREE` bytes may be."""
FREE: Final = 64 << 20
MAX_KEPT: Final = 4 << 30
"""The most bytes of files of a gzipped archive that are kept in memory."""


class _Place(NamedTuple):
    offset: int
    size: int


class TarArchive(Container):
    """The files of a tar archive; raises RefusedError for links, devices and damaged headers."""

    def __init__(self, path: Path, *, gzipped: bool) -> None:
        self._path, self._gzipped = path, gzipped
        names = Names()
        self._places: dict[str, _Place] = {}
        with closing(self._stream()) as stream:
            for header, offset in headers(stream):
                if header.is_folder:
                    continue
                if not header.is_file:
                    raise invalid(
                        f"{quoted(header.name)} is a link or a device; only plain files are read."
                    )
                if (name := names.add(header.raw_name)) is not None:
                    self._places[name] = _Place(offset, header.size)
            self._check_end(stream)
        self.sizes = {name: place.size for name, place in self._places.items()}

    def open(self, name: str) -> IO[bytes]:
        place = self._places[name]
        stream = self._stream()
        skip(stream, place.offset)
        return cast("IO[bytes]", io.BufferedReader(_Part(stream, place.size), 1 << 16))

    def keeping(self, names: Iterable[str]) -> Container:
        if not self._gzipped:
            return self
        wanted = sorted(set(names), key=lambda name: self._places[name].offset)
        if sum(self.sizes[name] for name in wanted) > MAX_KEPT:
            raise invalid(
                f"The chosen files have more than {MAX_KEPT:,} bytes. Upload the archive as a .tar "
                "file, which is read at random."
            )
        files, position = {}, 0
        with closing(self._stream()) as stream:
            for name in wanted:
                place = self._places[name]
                skip(stream, place.offset - position)
                files[name] = exactly(stream, place.size)
                position = place.offset + place.size
        return _Kept(files)

    def _stream(self) -> BinaryIO:
        file = open_file(self._path)
        if not self._gzipped:
            return file
        return cast("BinaryIO", io.BufferedReader(_Gunzip(file), 1 << 16))

    def _check_end(self, stream: BinaryIO) -> None:
        if self._gzipped or not self._places:
            return
        length = stream.seek(0, os.SEEK_END)
        if max(place.offset + place.size for place in self._places.values()) > length:
            raise invalid("The archive ends early. Archive the data again.")


class _Kept(Container):
    """Some files in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self.sizes = {name: len(data) for name, data in files.items()}

    def open(self, name: str) -> IO[bytes]:
        return io.BytesIO(self._files[name])


class _Part(Stream):
    """The next bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._left = stream, size

    def next_bytes(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Gunzip(Stream):
    """What a gzipped file holds, in one or several members; it is refused where it explodes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inflate = file, zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._packed = self._unpacked = 0
        self._rest = b""

    def next_bytes(self, size: int) -> bytes:
        try:
            while not (data := self._inflate.decompress(self._rest or self._more(), size)):
                if self._inflate.eof:
                    if not self._begin_again():
                        return b""
                elif not self._inflate.unconsumed_tail and self._at_end():
                    raise invalid("The gzipped archive ends early.")
                else:
                    self._rest = self._inflate.unconsumed_tail
        except zlib.error as error:
            raise invalid(f"The gzipped archive is damaged ({error}).") from None
        self._rest = self._inflate.unconsumed_tail
        self._unpacked += len(data)
        if self._unpacked > min(MAX_UNPACKED, max(FREE, self._packed * MAX_RATIO)):
            raise invalid(
                f"The gzipped archive unpacks to more than {self._unpacked:,} bytes. Upload a "
                "sample of the data, or a .zip file."
            )
        return data

    def _more(self) -> bytes:
        raw = self._file.read(1 << 16)
        self._packed += len(raw)
        return raw

    def _at_end(self) -> bool:
        self._rest = self._more()
        return not self._rest

    def _begin_again(self) -> bool:
        """Begin with the next member, if there is one; padding may follow the last."""
        self._rest = self._inflate.unused_data or self._more()
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return self._rest[:1] == b"\x1f"

    def close(self) -> None:
        self._file.close()
        super().close()


def exactly(stream: BinaryIO, size: int) -> bytes:
    """Return so many bytes; raise RefusedError if there are fewer."""
    data = stream.read(size)
    if len(data) != size:
        raise invalid("The archive ends early. Archive the data again.")
    return data
