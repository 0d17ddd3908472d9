"""The range of bytes that a client asks for (RFC 9110, section 14)."""

import re

from service.http.problems import NoSuchRangeError


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return `start` and `stop` of the one range in the header `Range`; None for the whole file.

    The byte `stop` is not part of the range. Other forms of the header, such as several ranges, are
    ignored, which section 14.2 allows. Raises NoSuchRangeError for a range beyond `size` bytes.
    """
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header or "", re.IGNORECASE)
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), size
        if match[2]:
            if int(match[2]) < start:
                return None
            stop = min(int(match[2]) + 1, size)
    if start >= stop:
        raise NoSuchRangeError(
            f"The file has {size} bytes.", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, stop
