"""Reads `.npz` archives with the arrays `x` (inputs) and `y` (targets).

See docs/security.md, "Rules for data".
"""

import math
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from worker.errors import RefusedError
from worker.formats.samples import Samples, Transform

MAX_BYTES = 4 << 30
"""The largest size of one array in memory; a header that claims more is refused."""

_HOW_TO = "Save it with numpy.savez_compressed('data.npz', x=inputs, y=targets)."

_invalid = partial(RefusedError, "dataset-invalid", "The dataset can't be used")


def read(path: Path, transform: Transform) -> Samples:
    """Return the samples in an `.npz` file.

    Raises RefusedError if the file is not an `.npz`, is unsafe or too large, if `x` and `y` have
    different numbers of samples or none, or if `x` or `y` holds NaN or infinity.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inputs, targets = (_read_array(archive, name) for name in ("x", "y"))
    except zipfile.BadZipFile as error:
        raise _invalid(f"It is not an .npz archive ({error}). {_HOW_TO}") from None
    except (zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise _invalid(f"The archive is damaged ({error}). {_HOW_TO}") from None
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
        size = math.prod(shape) * dtype.itemsize
        if size > MAX_BYTES:
            raise _invalid(
                f"The array {name!r} of shape {shape} takes {size:,} bytes in memory; at most "
                f"{MAX_BYTES:,} are read. Upload a sample of the data: a few thousand rows suffice."
            )
        array = np.frombuffer(_read_exactly(file, size, name), dtype)
    native = array.astype(dtype.newbyteorder("="), copy=False)
    return native.reshape(shape, order="F" if fortran else "C")


def _read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether it is column-major, and the dtype.

    Raises RefusedError for other dtypes than numbers; an array of objects would be a pickle.
    """
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except ValueError as error:
        raise _invalid(f"The array {name!r} has no valid header ({error}). {_HOW_TO}") from None
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise _invalid(
            f"The array {name!r} has dtype {dtype}; only numbers of up to 64 bits are read, never "
            f"Python objects. {_HOW_TO}"
        )
    if any(size < 0 for size in shape):
        raise _invalid(f"The array {name!r} has the impossible shape {shape}.")
    return shape, fortran, dtype


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
