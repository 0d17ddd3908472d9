"""The zip container of `.pt2` files, read strictly.

Different readers can see different contents in one zip: by data before or after it, by two members
of one name, by names that differ between directory and member. So only the layout of `torch.save`
and `torch.export.save` (stored members, one after the other) is read; all others are refused.

See docs/security.md, "Rules for archives", 1.
"""

import os
import re
import zlib
from typing import IO

from worker.formats.refusals import malformed, quoted, too_large, unsafe
from worker.formats.zip_directory import MAX_BYTES, Entry, data_start, read_bytes

_ROOT = re.compile(r"[\w.-]{1,200}", re.ASCII)
_UNSUPPORTED_FLAGS = 0x2061  # encrypted, patched, masked


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
        data = read_bytes(self._file, self._starts[name], entry.size)
        if zlib.crc32(data) != entry.crc:
            raise malformed(f"The checksum of member {name!r} is wrong: the file is damaged.")
        return data
