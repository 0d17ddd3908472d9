"""Gives memory back that the process does not need any more."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return freed memory to the system, which glibc would keep for what comes next.

    It takes some milliseconds. Other C libraries have no such function and keep less.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
