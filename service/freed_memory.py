"""Freed memory: kept for what comes next, or given back to the system.

Both ask glibc. Other C libraries have no such functions, and there nothing changes.
"""

import ctypes
from contextlib import suppress
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_MAX: Final = -4


def keep() -> None:
    """Keep freed memory of any size for what comes next, until `give_back`.

    glibc gives blocks of more than 32 MiB back at once, and the system clears each page of the next
    one. With networks of 224² pixels that took a third of the time. See mallopt(3).
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)


def give_back() -> None:
    """Return freed memory to the system, which takes some milliseconds. See malloc_trim(3)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
