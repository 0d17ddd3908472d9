"""Uploads as files: by their path, or by a descriptor that was given for it.

A child in the sandbox can open no upload itself. Its parent opens the files of a call, and hands
over their descriptors; the path then is only their name.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_given: dict[str, int] = {}


@contextmanager
def given(descriptors: Mapping[str, int]) -> Iterator[None]:
    """Let `open_file` use these descriptors, by path, in the context; close them afterwards."""
    _given.update(descriptors)
    try:
        yield
    finally:
        for path, descriptor in descriptors.items():
            del _given[path]
            os.close(descriptor)


def open_file(path: str | Path) -> BinaryIO:
    """Return the file, open for reading from its beginning."""
    descriptor = _given.get(str(path))
    if descriptor is None:
        return Path(path).open("rb")
    file = os.fdopen(os.dup(descriptor), "rb")
    file.seek(0)
    return file
