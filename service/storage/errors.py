"""The errors of a storage."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from service.logs import first_line
from service.storage import disk_full


class StorageError(OSError):
    """The storage does not answer, or it refuses a request."""


@contextmanager
def as_os_error(*expected: type[Exception]) -> Iterator[None]:
    """Raise obstore's errors as StorageError; only their text tells whether the disk is full."""
    try:
        yield
    except expected:
        raise
    except (BaseError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # not an error of obstore
        full = any(f"os error {code})" in str(error) for code in disk_full.CODES)
        code = errno.ENOSPC if full else errno.EIO
        raise StorageError(code, os.strerror(code), first_line(error)) from error
