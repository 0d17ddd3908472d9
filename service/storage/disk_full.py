"""Tells a full disk, or a used up quota, from what else files and databases complain of."""

import errno
from typing import Final

from sqlalchemy.exc import DBAPIError

CODES: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DATABASES_SAY: Final = ("No space left", "disk is full")  # PostgreSQL, SQLite


def is_disk_full(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return any(text in str(error.orig) for text in _DATABASES_SAY)
    return isinstance(error, OSError) and error.errno in CODES
