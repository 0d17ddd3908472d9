"""Which part of a file a client asks for (RFC 9110, section 14)."""

import re

from service.http.problems import NoSuchRangeError


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return where the one range in the header `Range` starts and stops; None for the whole file.

    Whatever else the header says is ignored, as a server may (section 14.2). Raises
    NoSuchRangeError.
    """
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header or "", re.IGNORECASE)
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), size
        if found[2]:
            if int(found[2]) < start:
                return None
            stop = min(int(found[2]) + 1, size)
    if start >= stop:
        raise NoSuchRangeError(
            f"The file has {size} bytes.", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, stop
