"""The headers of `.npy` arrays, checked before anything is allocated.

See docs/security.md, "Rules for data".
"""

import io
import warnings
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from worker.errors import RefusedError
from worker.formats.packed import MAX_BYTES, Open, Packed, check_shape
from worker.formats.refusals import HOW_TO, invalid, said

_MAX_HEADER = 10_000
"""The longest header in bytes, numpy's own limit, checked before the header is read."""


def column(open_member: Open, name: str, most: int = MAX_BYTES) -> Packed:
    """Return an array of at most `most` bytes; raise RefusedError.

    Only its header is read.
    """
    with open_member() as file:
        shape, fortran, dtype, begin = _read_header(file, name)

    def numbers() -> IO[bytes]:
        file = open_member()
        file.read(begin)
        return file

    check_shape(shape, dtype.itemsize, name, most)
    return Packed(name, numbers, shape, dtype, fortran)


def _read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return the shape, whether it is column-major, the dtype, and where the numbers begin.

    Raises RefusedError for other dtypes than numbers; an array of objects would be a pickle.
    """
    version, header = _header(file, name)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = read(header)
    except Exception as error:  # numpy evaluates a literal, and lets many types through
        raise _no_header(name, error) from None
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise invalid(
            f"The array {name!r} has dtype {dtype}; only numbers of up to 64 bits are read, never "
            f"Python objects. {HOW_TO}"
        )
    return shape, fortran, dtype, npy.MAGIC_LEN + len(header.getvalue())


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, int], io.BytesIO]:
    """Return the version of the format, and the header from its length on, if it is short."""
    try:
        version = npy.read_magic(file)
    except ValueError as error:
        raise _no_header(name, error) from None
    size = file.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(size, "little")
    if length > _MAX_HEADER:
        raise _no_header(name, f"it has {length:,} bytes; at most {_MAX_HEADER:,} are read")
    return version, io.BytesIO(size + file.read(length))


def _no_header(name: str, error: object) -> RefusedError:
    return invalid(f"The array {name!r} has no valid header ({said(error)}). {HOW_TO}")
