"""The central directory of a zip archive, from a possibly hostile author.

It must be the only one, and end the file: otherwise two readers could see two contents.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from worker.formats.refusals import malformed, quoted, too_large, unsafe

LOCAL = b"PK\3\4"
"""The first bytes of each member, and so of the file."""
MAX_BYTES = 16 << 30
MAX_MEMBERS = 20_000
_MAX_DIRECTORY = 8 << 20
_SMALL = 1 << 16
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_LOCAL = struct.Struct("<4s5H3I2H")


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry of a member in the central directory; sizes and offsets are in bytes."""

    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    offset: int
    attributes: int
    """The external ones: the type and the permissions of a file."""


def read_directory(
    file: IO[bytes], most: int = MAX_MEMBERS, most_bytes: int = _MAX_DIRECTORY
) -> list[Entry]:
    """Return the entries of the central directory; raise RefusedError unless there is just one.

    It has at most `most` entries.
    """
    length = file.seek(0, os.SEEK_END)
    if length > MAX_BYTES:
        raise too_large(f"The file has {length} bytes; at most {MAX_BYTES} are read.")
    if length < _END.size or read_bytes(file, 0, 4) != LOCAL:
        raise malformed("The file does not begin as a zip archive does.")
    end = length - _END.size
    signature, disk, other, here, count, size, start, comment = _END.unpack(
        read_bytes(file, end, 22)
    )
    if signature != b"PK\5\6" or comment:
        raise malformed("The zip archive is cut off, or followed by a comment or other data.")
    if end >= _LOCATOR.size and read_bytes(file, end - _LOCATOR.size, 4) == b"PK\6\7":
        _, _, end, _ = _LOCATOR.unpack(read_bytes(file, end - _LOCATOR.size, _LOCATOR.size))
        fields = _END64.unpack(read_bytes(file, end, _END64.size))
        signature, _, _, _, disk, other, here, count, size, start = fields
        if signature != b"PK\6\6":
            raise malformed("The zip archive's end record is not where it should be.")
    if disk or other or here != count or start + size != end or not count:
        raise malformed("The zip archive's end record and its directory disagree.")
    if count > most or size > most_bytes:
        raise too_large(f"The zip archive has {count} members; at most {most} are read.")
    entries = list(_entries(read_bytes(file, start, size)))
    if len(entries) != count:
        raise malformed("The zip archive's directory states a wrong number of members.")
    return entries


def _entries(directory: bytes) -> Iterator[Entry]:
    position = 0
    while position < len(directory):
        try:
            fields = _ENTRY.unpack_from(directory, position)
        except struct.error:
            raise malformed("The zip archive's directory is cut off.") from None
        signature, _, _, flags, method, _, _, crc, compressed, size, *rest = fields
        names, extras, comments, disk, _, attributes, offset = rest
        position += _ENTRY.size
        name = directory[position : position + names]
        extra = directory[position + names : position + names + extras]
        position += names + extras
        if signature != b"PK\1\2" or comments or disk or position > len(directory):
            raise malformed("The zip archive's directory is damaged.")
        size, compressed, offset = _widen((size, compressed, offset), extra)
        yield Entry(
            name.decode("latin-1"), flags, method, crc, compressed, size, offset, attributes
        )


def _widen(values: tuple[int, int, int], extra: bytes) -> Iterator[int]:
    """Yield the values; take those that don't fit in 32 bits from the zip64 extra field."""
    wide = b""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            wide = extra[4 : 4 + length]
        extra = extra[4 + length :]
    for value in values:
        if value == 0xFFFFFFFF:
            if len(wide) < 8:
                raise malformed("The zip archive's directory lacks the size of a large member.")
            value, wide = int.from_bytes(wide[:8], "little"), wide[8:]
        yield value


def data_start(file: IO[bytes], entry: Entry) -> int:
    """Return the offset of the member's bytes; check that its local header equals the entry."""
    header = _LOCAL.unpack(read_bytes(file, entry.offset, _LOCAL.size))
    signature, _, _, method, _, _, _, _, _, names, extras = header
    name = read_bytes(file, entry.offset + _LOCAL.size, names)
    if signature != LOCAL or method != entry.method or name != entry.name.encode("latin-1"):
        raise unsafe(f"The archive's member {quoted(entry.name)} and its entry disagree.")
    start: int = entry.offset + _LOCAL.size + names + extras
    return start


def read_bytes(file: IO[bytes], start: int, size: int) -> bytes:
    """Return so many bytes from `start` on; raise RefusedError where the file has fewer."""
    if size > _SMALL and start + size > file.seek(0, os.SEEK_END):  # nothing is allocated for it
        raise malformed("The zip archive points beyond its own end.")
    file.seek(start)
    data = file.read(size)
    if len(data) != size:
        raise malformed("The zip archive points beyond its own end.")
    return data
