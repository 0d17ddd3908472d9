"""Reads `.npz` archives with the arrays `x` (inputs) and `y` (targets).

See docs/security.md, "Rules for data".
"""

import io
import lzma
import math
import struct
import warnings
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from worker.errors import RefusedError
from worker.formats.files import open_file
from worker.formats.samples import Samples, Transform

MAX_BYTES = 4 << 30
"""The largest size of one array in memory; a header that claims more is refused."""

MAX_RANK = 8
"""The most dimensions of an array, as many as tensors of a network may have."""
_MAX_HEADER = 10_000
"""The longest header in bytes, numpy's own limit, checked before the header is read."""

_HOW_TO = "Save it with numpy.savez_compressed('data.npz', x=inputs, y=targets)."

_DAMAGED = (
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # of bzip2, which has no error of its own
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What `zipfile` and the decompressors raise for damaged members and directories."""

_invalid = partial(RefusedError, "dataset-invalid", "The dataset can't be used")


def read(path: Path, transform: Transform) -> Samples:
    """Return the samples in an `.npz` file.

    Raises RefusedError if the file is not an `.npz`, is unsafe or too large, if `x` and `y` have
    different numbers of samples or none, or if `x` or `y` holds NaN or infinity.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            inputs, targets = (_read_array(archive, name) for name in ("x", "y"))
    except zipfile.BadZipFile as error:
        raise _invalid(f"It is not an .npz archive ({error}). {_HOW_TO}") from None
    except _DAMAGED as error:
        raise _invalid(f"The archive is damaged ({_said(error)}). {_HOW_TO}") from None
    _check(inputs, targets)
    return Samples(inputs, targets, transform.for_stored(inputs.dtype))


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    members = [info for info in archive.infolist() if info.filename == f"{name}.npy"]
    if len(members) != 1:
        names = ", ".join(sorted(archive.namelist())[:8]) or "nothing"
        raise _invalid(f"It needs exactly one array named {name!r}; it holds {names}. {_HOW_TO}")
    if members[0].flag_bits & 0x1:
        raise _invalid(f"The array {name!r} is encrypted. {_HOW_TO}")
    with archive.open(members[0]) as file:
        shape, fortran, dtype = _read_header(file, name)
        _check_shape(shape, dtype, name)
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
        raise _invalid(
            f"The array {name!r} has dtype {dtype}; only numbers of up to 64 bits are read, never "
            f"Python objects. {_HOW_TO}"
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
    return _invalid(f"The array {name!r} has no valid header ({_said(error)}). {_HOW_TO}")


def _said(error: object) -> str:
    """Return the first line of what a decoder said, which may quote the file, at most so long."""
    return ascii(str(error).partition("\n")[0])[1:-1][:200] or type(error).__name__


def _check_shape(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise RefusedError for a shape that can't be, or that takes too much memory.

    A dimension of size 0 does not make the others small: numpy can't have 0 × 2⁶² either.
    """
    if len(shape) > MAX_RANK:
        raise _invalid(
            f"The array {name!r} has {len(shape)} dimensions; at most {MAX_RANK} are read."
        )
    if any(size < 0 for size in shape):
        raise _invalid(f"The array {name!r} has the impossible shape {shape}.")
    size = math.prod(size or 1 for size in shape) * dtype.itemsize
    if size > MAX_BYTES:
        raise _invalid(
            f"The array {name!r} of shape {shape} takes {size:,} bytes in memory; at most "
            f"{MAX_BYTES:,} are read. Upload a sample of the data: a few thousand rows suffice."
        )


def _read_exactly(file: IO[bytes], size: int, name: str) -> bytearray:
    """Return exactly `size` bytes; memory grows with the bytes read, not with the claimed size."""
    data = bytearray()
    while chunk := file.read(min(1 << 20, size - len(data))):
        data += chunk
    if len(data) != size:
        raise _invalid(f"The array {name!r} ends early: {len(data):,} of {size:,} bytes. {_HOW_TO}")
    return data


def _check(inputs: NDArray[Any], targets: NDArray[Any]) -> None:
    if inputs.ndim < 2 or targets.ndim < 1:
        raise _invalid(
            f"x has shape {inputs.shape} and y {targets.shape}; the first dimension counts samples "
            "and x needs at least one more."
        )
    if len(inputs) != len(targets):
        raise _invalid(f"x has {len(inputs):,} samples but y has {len(targets):,}.")
    if inputs.size == 0:
        raise _invalid(f"It is empty: x has shape {inputs.shape}.")
    for name, array in (("x", inputs), ("y", targets)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            first = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(1)))
            raise _invalid(
                f"{name} holds NaN or infinity, first in sample {first}. Replace or remove such "
                "samples."
            )
