"""Reads one array of an `.npz` archive; its header is checked before anything is allocated.

See docs/security.md, "Rules for data".
"""

import io
import math
import warnings
import zipfile
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from worker.errors import RefusedError

MAX_BYTES = 4 << 30
"""The largest size of one array in memory; a header that claims more is refused."""
MAX_RANK = 8
"""The most dimensions of an array, as many as tensors of a network may have."""
_MAX_HEADER = 10_000
"""The longest header in bytes, numpy's own limit, checked before the header is read."""

HOW_TO = (
    "Save it with numpy.savez_compressed('data.npz', x=inputs, y=targets); several inputs are x0, "
    "x1, …, or have the names of the network's inputs."
)

invalid = partial(RefusedError, "dataset-invalid", "The dataset can't be used")


def read_array(archive: zipfile.ZipFile, name: str, most: int = MAX_BYTES) -> NDArray[Any]:
    """Return an array of at most `most` bytes, and at most `MAX_BYTES`."""
    members = [info for info in archive.infolist() if info.filename == f"{name}.npy"]
    if len(members) != 1:
        names = ", ".join(sorted(archive.namelist())[:8]) or "nothing"
        raise invalid(f"It needs exactly one array named {name!r}; it holds {names}. {HOW_TO}")
    if members[0].flag_bits & 0x1:
        raise invalid(f"The array {name!r} is encrypted. {HOW_TO}")
    with archive.open(members[0]) as file:
        shape, fortran, dtype = _read_header(file, name)
        _check_shape(shape, dtype, name, min(most, MAX_BYTES))
        data = _read_exactly(file, math.prod(shape) * dtype.itemsize, name)
        array = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
    native = array.astype(dtype.newbyteorder("="), copy=False)
    return native.reshape(shape, order="F" if fortran else "C")


def _read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether it is column-major, and the dtype.

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
    return shape, fortran, dtype


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, int], IO[bytes]]:
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


def said(error: object) -> str:
    """Return the first line of what a decoder said, which may quote the file, at most so long."""
    return ascii(str(error).partition("\n")[0])[1:-1][:200] or type(error).__name__


def _check_shape(shape: tuple[int, ...], dtype: np.dtype[Any], name: str, most: int) -> None:
    """Raise RefusedError for a shape that can't be, or that takes too much memory.

    A dimension of size 0 does not make the others small: numpy can't have 0 × 2⁶² either.
    """
    if len(shape) > MAX_RANK:
        raise invalid(
            f"The array {name!r} has {len(shape)} dimensions; at most {MAX_RANK} are read."
        )
    if any(size < 0 for size in shape):
        raise invalid(f"The array {name!r} has the impossible shape {shape}.")
    size = math.prod(size or 1 for size in shape) * dtype.itemsize
    if size > most:
        raise invalid(
            f"The array {name!r} of shape {shape} takes {size:,} bytes in memory; at most "
            f"{most:,} are read of it. Upload a sample of the data: a few thousand rows suffice."
        )


def _read_exactly(file: IO[bytes], size: int, name: str) -> bytearray:
    """Return exactly `size` bytes; memory grows with the bytes read, not with the claimed size."""
    data = bytearray()
    while chunk := file.read(min(1 << 20, size - len(data))):
        data += chunk
    if len(data) != size:
        raise invalid(f"The array {name!r} ends early: {len(data):,} of {size:,} bytes. {HOW_TO}")
    return data
