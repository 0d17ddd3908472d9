"""The headers of a tar archive: ustar, and the long names of GNU and pax."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from worker.formats.container import MAX_MEMBERS
from worker.formats.refusals import invalid

BLOCK: Final = 512
MAX_EXTENDED: Final = 64 << 10
"""The most bytes of an extended header."""
MAX_HEADERS: Final = 3 * MAX_MEMBERS
"""Each file may have an extended header, and folders have headers, too."""
MAX_SIZE: Final = 1 << 40
_FILES: Final = (b"0", b"\0", b"7")
_EXTENDED: Final = (b"L", b"K", b"x", b"g")


@dataclass
class Header:
    """What a header says of a file; `kind` is its type flag."""

    raw_name: bytes
    size: int
    kind: bytes

    @property
    def name(self) -> str:
        return self.raw_name.decode(errors="replace")

    @property
    def is_file(self) -> bool:
        return self.kind in _FILES and not self.raw_name.endswith(b"/")

    @property
    def is_folder(self) -> bool:
        return self.kind == b"5" or (self.kind in _FILES and self.raw_name.endswith(b"/"))


@dataclass
class _Extended:
    """What extended headers said of the next file."""

    name: bytes | None = None
    size: int | None = None


def headers(stream: BinaryIO) -> Iterator[tuple[Header, int]]:
    """Yield the header of each entry, and where its bytes begin; raise RefusedError."""
    position, extended = 0, _Extended()
    for _ in range(MAX_HEADERS):
        block = stream.read(BLOCK)
        position += BLOCK
        if len(block) < BLOCK or not any(block):
            if block and len(block) < BLOCK:
                raise invalid("The archive ends early. Archive the data again.")
            return
        header = _parse(block)
        if header.kind in _EXTENDED:
            if header.size > MAX_EXTENDED:
                raise invalid(f"A header of the archive has {header.size:,} bytes.")
            data = stream.read(_padded(header.size))[: header.size]
            position += _padded(header.size)
            _extend(extended, header.kind, data)
            continue
        header.raw_name = header.raw_name if extended.name is None else extended.name
        header.size = header.size if extended.size is None else extended.size
        extended = _Extended()
        yield header, position
        if header.is_file:
            skip(stream, _padded(header.size))
            position += _padded(header.size)
    raise invalid(f"The archive has more than {MAX_HEADERS:,} headers. Upload a sample.")


def _parse(block: bytes) -> Header:
    if _octal(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise invalid("The checksum of a header is wrong: the archive is damaged.")
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return Header(name, _number(block[124:136]), block[156:157])


def _number(raw: bytes) -> int:
    """Return a size; GNU writes large ones in binary, where negative ones are refused."""
    number = int.from_bytes(raw[1:], "big") if raw[0] == 0x80 else _octal(raw)
    if number > MAX_SIZE:
        raise invalid("A header of the archive states an impossible size.")
    return number


def _octal(raw: bytes) -> int:
    digits = raw.strip(b" \0")
    if any(digit not in b"01234567" for digit in digits):
        raise invalid("A header of the archive holds no number where it should.")
    return int(digits or b"0", 8)


def _extend(extended: _Extended, kind: bytes, data: bytes) -> None:
    if kind == b"L":
        extended.name = data.partition(b"\0")[0]
        return
    if kind == b"K":  # the target of a link, which is refused by its own header
        return
    for key, value in _records(data):
        if key.startswith(b"GNU.sparse"):
            raise invalid("The archive holds a sparse file; archive the data without --sparse.")
        if key in (b"path", b"size") and kind == b"g":
            raise invalid("The archive has one name or size for all of its files.")
        if key == b"path":
            extended.name = value
        elif key == b"size":
            if not value.isdigit() or len(value) > 15:
                raise invalid("A header of the archive states an impossible size.")
            extended.size = int(value)


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a pax header: `length key=value`, each in a line."""
    while data.strip(b"\0"):
        length, space, _ = data[:20].partition(b" ")
        if not space or not length.isdigit() or not len(length) + 3 <= int(length) <= len(data):
            raise invalid("A header of the archive is damaged.")
        key, equals, value = data[len(length) + 1 : int(length)].partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise invalid("A header of the archive is damaged.")
        yield key, value[:-1]
        data = data[int(length) :]


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def skip(stream: BinaryIO, size: int) -> None:
    """Go forward; a stream that is unpacked has to be read."""
    if stream.seekable():
        stream.seek(size, os.SEEK_CUR)
        return
    while size and (data := stream.read(min(size, 1 << 20))):
        size -= len(data)
