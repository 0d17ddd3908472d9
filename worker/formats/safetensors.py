"""Safetensors files of arrays: a header in JSON says where each lies, and the numbers follow.

See docs/security.md, "Rules for data".
"""

import math
import os
import re
from functools import partial
from pathlib import Path
from typing import IO, Final, NamedTuple

import numpy as np

from worker.errors import RefusedError
from worker.formats import arrays, strict_json
from worker.formats.files import open_file
from worker.formats.packed import Packed, check_shape
from worker.formats.refusals import invalid, quoted
from worker.formats.samples import Samples
from worker.formats.transform import Transform

MAX_HEADER: Final = 1 << 20
MAX_TENSORS: Final = 1_000
_NAME: Final = re.compile(r"[^\x00-\x1f]{1,200}")
_DTYPE: Final = re.compile(r"[A-Z0-9_]{1,16}")
BFLOAT16: Final = "BF16"
DTYPES: Final = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8", BFLOAT16: "<u2",
}  # fmt: skip


class _Tensor(NamedTuple):
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read(path: Path, transform: Transform) -> Samples:
    """Return the samples in a safetensors file, with arrays named as in `.npz` files.

    Raises RefusedError for a header that does not describe every byte once, and what `arrays`
    raises.
    """
    with open_file(path) as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        size = int.from_bytes(file.read(8), "little")
        if size > min(MAX_HEADER, length - 8):
            raise invalid(f"Its header has {size:,} bytes; at most {MAX_HEADER:,} are read.")
        try:
            tensors = _tensors(strict_json.parse(file.read(size), "The header"))
        except RefusedError as refused:
            raise invalid(refused.detail) from None
    _check_layout(tensors, length - 8 - size)
    columns = {t.name: partial(_column, path, t, 8 + size) for t in tensors if t.dtype in DTYPES}
    return arrays.samples(columns, [tensor.name for tensor in tensors], transform)


def _tensors(header: strict_json.Value) -> list[_Tensor]:
    rows = header.table(_NAME)
    rows.pop("__metadata__", None)
    if len(rows) > MAX_TENSORS:
        raise invalid(f"It holds {len(rows):,} tensors; at most {MAX_TENSORS:,} are read.")
    tensors = []
    for name, row in rows.items():
        fields = row.fields("dtype", "shape", "data_offsets")
        shape = tuple(size.integer(0) for size in fields["shape"].items(8))
        offsets = [offset.integer(0) for offset in fields["data_offsets"].items(2)]
        if len(offsets) != 2:
            raise invalid(f"The tensor {quoted(name)} has no two offsets.")
        tensors.append(_Tensor(name, fields["dtype"].text(_DTYPE), shape, *offsets))
    return sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end))


def _check_layout(tensors: list[_Tensor], length: int) -> None:
    """Raise RefusedError unless the tensors fill the file, one after the other."""
    end = 0
    for tensor in tensors:
        if tensor.begin != end or tensor.end < tensor.begin:
            raise invalid(f"The tensor {quoted(tensor.name)} overlaps another, or leaves a gap.")
        end = tensor.end
        if (stored := DTYPES.get(tensor.dtype)) is not None:
            stated = math.prod(tensor.shape) * np.dtype(stored).itemsize
            if stated != tensor.end - tensor.begin:
                raise invalid(
                    f"The tensor {quoted(tensor.name)} of shape {list(tensor.shape)} takes "
                    f"{stated:,} bytes, but its offsets say {tensor.end - tensor.begin:,}."
                )
    if end != length:
        raise invalid(f"Its tensors have {end:,} bytes, but the file has {length:,} for them.")


def _column(path: Path, tensor: _Tensor, start: int, most: int) -> Packed:
    stored = np.dtype(DTYPES[tensor.dtype])
    brain = tensor.dtype == BFLOAT16
    check_shape(tensor.shape, 4 if brain else stored.itemsize, tensor.name, most)

    def numbers() -> IO[bytes]:
        file = open_file(path)
        file.seek(start + tensor.begin)
        return file

    return Packed(tensor.name, numbers, tensor.shape, stored, brain=brain)
