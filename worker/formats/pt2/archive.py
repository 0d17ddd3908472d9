"""The zip container, read strictly.

Different readers can see different contents in one zip: by data before or after it, by two members
of one name, by names that differ between directory and member. So only the layout of `torch.save`
and `torch.export.save` (stored members, one after the other) is read; all others are refused.

See docs/security.md, "Rules for archives", 1.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from worker.formats.pt2.refusals import malformed, not_an_archive, quoted, too_large, unsafe

LOCAL = b"PK\3\4"
MAX_BYTES = 16 << 30
MAX_MEMBERS = 20_000
_MAX_DIRECTORY = 8 << 20
_SMALL = 1 << 16
_ROOT = re.compile(r"[\w.-]{1,200}", re.ASCII)
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_LOCAL = struct.Struct("<4s5H3I2H")
_UNSUPPORTED_FLAGS = 0x2061  # encrypted, patched, masked


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


class Archive:
    """The members of a checked zip file, by their names without the root folder."""

    def __init__(self, file: IO[bytes], entries: list[Entry], allowed: re.Pattern[str]) -> None:
        """Check everything that can be checked without reading the members.

        Raises RefusedError (unsafe-archive, malformed-archive) for a member whose name does not
        match `allowed`, and if other readers could see other contents.
        """
        self._file = file
        self._entries: dict[str, Entry] = {}
        self._starts: dict[str, int] = {}
        root = entries[0].name.partition("/")[0]
        if not _ROOT.fullmatch(root) or root in (".", ".."):
            raise unsafe(
                f"The archive's folder is named {quoted(root)}, which is not a plain name."
            )
        seen: set[str] = set()
        end, length = 0, file.seek(0, os.SEEK_END)
        for entry in sorted(entries, key=lambda entry: entry.offset):
            folder, _, name = entry.name.partition("/")
            if folder != root or not allowed.fullmatch(name):
                raise unsafe(
                    f"The archive holds a member {quoted(entry.name)}, which Narrows does not know."
                )
            if name.lower() in seen:
                raise unsafe(f"The archive holds two members {quoted(name)}.")
            seen.add(name.lower())
            if entry.method or entry.flags & _UNSUPPORTED_FLAGS or entry.compressed != entry.size:
                raise unsafe(f"The archive's member {quoted(name)} is compressed or encrypted.")
            if entry.offset < end or (end == 0 and entry.offset > 0):
                raise unsafe(f"The archive's member {quoted(name)} overlaps another, or hides one.")
            self._starts[name] = data_start(file, entry)
            self._entries[name] = entry
            end = self._starts[name] + entry.size
            if end > length:
                raise malformed(f"The archive ends before its member {quoted(name)} does.")

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._entries)

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """Return a member's bytes; raise RefusedError if it is missing, too large or damaged."""
        entry = self._entries.get(name)
        if entry is None:
            raise malformed(f"The archive has no member {name!r}.")
        if entry.size > limit:
            raise too_large(f"Member {name!r} has {entry.size} bytes; at most {limit} are read.")
        data = _read(self._file, self._starts[name], entry.size)
        if zlib.crc32(data) != entry.crc:
            raise malformed(f"The checksum of member {name!r} is wrong: the file is damaged.")
        return data


def read_directory(
    file: IO[bytes], most: int = MAX_MEMBERS, most_bytes: int = _MAX_DIRECTORY
) -> list[Entry]:
    """Return the entries of the central directory; raise RefusedError unless there is just one.

    It has at most `most` entries.
    """
    length = file.seek(0, os.SEEK_END)
    if length > MAX_BYTES:
        raise too_large(f"The file has {length} bytes; at most {MAX_BYTES} are read.")
    if length < _END.size or _read(file, 0, 4) != LOCAL:
        raise not_an_archive("The file does not begin as a zip archive does.")
    end = length - _END.size
    signature, disk, other, here, count, size, start, comment = _END.unpack(_read(file, end, 22))
    if signature != b"PK\5\6" or comment:
        raise malformed("The zip archive is cut off, or followed by a comment or other data.")
    if end >= _LOCATOR.size and _read(file, end - _LOCATOR.size, 4) == b"PK\6\7":
        _, _, end, _ = _LOCATOR.unpack(_read(file, end - _LOCATOR.size, _LOCATOR.size))
        fields = _END64.unpack(_read(file, end, _END64.size))
        signature, _, _, _, disk, other, here, count, size, start = fields
        if signature != b"PK\6\6":
            raise malformed("The zip archive's end record is not where it should be.")
    if disk or other or here != count or start + size != end or not count:
        raise malformed("The zip archive's end record and its directory disagree.")
    if count > most or size > most_bytes:
        raise too_large(f"The zip archive has {count} members; at most {most} are read.")
    entries = list(_entries(_read(file, start, size)))
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
    header = _LOCAL.unpack(_read(file, entry.offset, _LOCAL.size))
    signature, _, _, method, _, _, _, _, _, names, extras = header
    name = _read(file, entry.offset + _LOCAL.size, names)
    if signature != LOCAL or method != entry.method or name != entry.name.encode("latin-1"):
        raise unsafe(f"The archive's member {quoted(entry.name)} and its entry disagree.")
    start: int = entry.offset + _LOCAL.size + names + extras
    return start


def _read(file: IO[bytes], start: int, size: int) -> bytes:
    if size > _SMALL and start + size > file.seek(0, os.SEEK_END):  # nothing is allocated for it
        raise malformed("The zip archive points beyond its own end.")
    file.seek(start)
    data = file.read(size)
    if len(data) != size:
        raise malformed("The zip archive points beyond its own end.")
    return data
