"""Reads `.npz` archives with targets, `y`, and inputs: `x`, or several under names of their own.

See docs/security.md, "Rules for data".
"""

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.inputs import TARGET
from worker.errors import RefusedError
from worker.formats.files import open_file
from worker.formats.members import HOW_TO, MAX_BYTES, invalid, read_array, said
from worker.formats.samples import Samples, Stored, Transform

MAX_TOTAL_BYTES = 2 * MAX_BYTES
"""The largest size of all arrays in memory."""
MAX_INPUTS = 16
"""The most inputs that a network may have."""
_MEMBER = re.compile(r"([A-Za-z_]\w{0,199})\.npy", re.ASCII)

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


def read(path: Path, transform: Transform) -> Samples:
    """Return the samples in an `.npz` file.

    Beside an array `x`, those that can't be inputs are left out. Raises RefusedError if the file is
    not an `.npz`, is unsafe or too large, if an input and `y` have different numbers of samples or
    none, or if one of them holds NaN or infinity.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            targets = read_array(archive, TARGET)
            _check_targets(targets)
            inputs = _read_inputs(archive, targets)
    except zipfile.BadZipFile as error:
        raise invalid(f"It is not an .npz archive ({error}). {HOW_TO}") from None
    except _DAMAGED as error:
        raise invalid(f"The archive is damaged ({said(error)}). {HOW_TO}") from None
    return Samples(_transformed(inputs, transform), targets)


def _read_inputs(archive: zipfile.ZipFile, targets: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the inputs by name, in the archive's order."""
    matches = [_MEMBER.fullmatch(name) for name in archive.namelist()]
    names = list(dict.fromkeys(match[1] for match in matches if match and match[1] != TARGET))
    if not names:
        names = ["x"]  # for the error that it is missing
    if len(names) > MAX_INPUTS:
        raise invalid(
            f"It holds {len(names)} arrays beside {TARGET!r}; at most {MAX_INPUTS} are read."
        )
    inputs: dict[str, NDArray[Any]] = {}
    for name in names:
        total = sum(array.nbytes for array in (targets, *inputs.values()))
        try:
            array = read_array(archive, name, MAX_TOTAL_BYTES - total)
            _check_input(array, targets, name, alone=len(names) == 1 or name == "x")
        except RefusedError:
            if name == "x" or "x" not in names:
                raise
        else:
            inputs[name] = array
    return inputs


def _transformed(inputs: Mapping[str, NDArray[Any]], transform: Transform) -> dict[str, Stored]:
    if unknown := [name for name in transform.inputs if name not in inputs]:
        raise invalid(
            f"The transform is for {', '.join(map(repr, unknown))}, but there is no such array; it "
            f"holds {', '.join(map(repr, inputs))}."
        )
    alone = len(inputs) == 1
    return {
        name: Stored(
            array, transform.of_array(name, array.ndim, alone=alone).for_stored(array.dtype)
        )
        for name, array in inputs.items()
    }


def _check_targets(targets: NDArray[Any]) -> None:
    if targets.ndim < 1:
        raise invalid("y is a single number; its first dimension counts samples.")
    _check_finite(targets, TARGET)


def _check_input(array: NDArray[Any], targets: NDArray[Any], name: str, *, alone: bool) -> None:
    """Raise RefusedError unless these are inputs for the targets; `alone`: the only input."""
    if array.ndim < (2 if alone else 1):
        raise invalid(
            f"{name} has shape {array.shape}; its first dimension counts samples, and it needs at "
            "least one more."
        )
    if len(array) != len(targets):
        raise invalid(f"{name} has {len(array):,} samples but y has {len(targets):,}.")
    if array.size == 0:
        raise invalid(f"It is empty: {name} has shape {array.shape}.")
    _check_finite(array, name)


def _check_finite(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        first = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(1)))
        raise invalid(
            f"{name} holds NaN or infinity, first in sample {first}. Replace or remove such "
            "samples."
        )
