"""The stored tensors: raw bytes, never pickles, in the layouts that the archive states.

See docs/security.md, "Rules for archives", 3 and 4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from worker.formats.pt2.archive import Archive
from worker.formats.pt2.tensors import MAX_SIZE, read_meta
from worker.formats.refusals import malformed, unsafe
from worker.formats.strict_json import Value


class Layout(NamedTuple):
    """Where a tensor lies in its payload; `start`, `end` and `strides` count elements."""

    start: int
    end: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that the archive holds, and its entry in a table."""

    entry: Value
    member: str
    layout: Layout
    is_parameter: bool

    def copy_from(self, elements: Tensor) -> Tensor:
        """Return a copy of the tensor from the elements [n] of its payload; raise RefusedError."""
        start, end, shape, strides, _ = self.layout
        if end > len(elements):
            raise self.entry.refuse(
                f"describes a tensor of shape {list(shape)}, for which the payload "
                f"{self.member!r} of {elements.nbytes} bytes is too small"
            )
        if start == end:
            return elements.new_empty(shape)
        view = elements.as_strided(shape, strides, start)
        return view.clone(memory_format=torch.contiguous_format)


def read_stored(entry: Value, folder: str, prefix: str) -> Stored:
    """Read an entry of the table of weights or of constants; raise RefusedError."""
    fields = entry.fields("path_name", "is_param", "use_pickle", "tensor_meta")
    if fields["use_pickle"].flag():
        raise unsafe(f"{entry.where} has use_pickle, and Narrows never loads pickles.")
    is_parameter = fields["is_param"].flag()
    path = fields["path_name"].text(re.compile(prefix + r"_\d{1,6}", re.ASCII))
    meta = read_meta(fields["tensor_meta"], stored=True)
    if any(size.expression for size in (*meta.sizes, *meta.strides, meta.offset)):
        raise entry.refuse("has a size that is not a number")
    shape = tuple(size.value or 0 for size in meta.sizes)
    strides = tuple(size.value or 0 for size in meta.strides)
    start = meta.offset.value or 0
    if prod(filter(None, shape)) > MAX_SIZE:  # of an empty tensor, whose payload holds nothing
        raise entry.refuse(f"has the shape {list(shape)}, which is too large")
    reach = -1 if 0 in shape else 0
    steps = () if 0 in shape else zip(strides, shape, strict=True)
    for step, size in sorted((t, n) for t, n in steps if n > 1):
        if step <= reach:
            raise unsafe(
                f"{entry.where} has zero or overlapping strides {list(strides)} for its shape "
                f"{list(shape)}. If it is an expanded buffer, store `buffer.clone()`."
            )
        reach += (size - 1) * step
    dtype = meta.dtype or torch.float32  # for mypy: a stored tensor always has a dtype
    layout = Layout(start, start + reach + 1, shape, strides, dtype)
    return Stored(entry, f"{folder}/{path}", layout, is_parameter)


def load(
    archive: Archive, stored: Mapping[str, Stored]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors by name, and for each name the name under which its tensor is returned.

    Names of the same payload and layout, such as tied weights, share one tensor. Other names of the
    same payload must not overlap, so that no byte is copied twice. Raises RefusedError.
    """
    members: dict[str, list[str]] = {}
    for name, tensor in stored.items():
        members.setdefault(tensor.member, []).append(name)
    tensors: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    for member, sharing in members.items():
        first: dict[Layout, str] = {}
        for name in sharing:
            names[name] = first.setdefault(stored[name].layout, name)
        dtype, *others = {layout.dtype for layout in first}
        if others:
            raise unsafe(f"The payload {member!r} is used as numbers of several types.")
        elements = _elements(archive, member, dtype)
        end = 0
        for layout, name in sorted(first.items(), key=lambda item: item[0].start):
            if layout.start < end:
                raise unsafe(
                    f"The tensor {name!r} shares memory with a tensor of another layout. Store "
                    "`tensor.clone()`."
                )
            tensors[name] = stored[name].copy_from(elements)
            end = layout.end
    return tensors, names


def _elements(archive: Archive, member: str, dtype: torch.dtype) -> Tensor:
    payload = bytearray(archive.read(member))
    if dtype == torch.bool and payload.translate(None, b"\0\1"):
        raise malformed(f"The payload {member!r} of a bool tensor has bytes other than 0 and 1.")
    count = len(payload) // dtype.itemsize
    if not count:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(payload, dtype=dtype, count=count)
