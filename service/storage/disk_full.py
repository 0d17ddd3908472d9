"""Recognizes a full disk or an exhausted quota among the errors of files and databases."""

import errno
from typing import Final

from sqlalchemy.exc import DBAPIError

CODES: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DATABASES_SAY: Final = ("No space left", "disk is full")  # PostgreSQL, SQLite


def is_disk_full(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return any(text in str(error.orig) for text in _DATABASES_SAY)
    return isinstance(error, OSError) and error.errno in CODES
