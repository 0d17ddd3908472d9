"""WebDataset shards: the files of a sample have one name, and its fields are their endings.

An image, `.jpg` or `.png`, and an array, `.npy`, are the input `x`, or one of the name before it,
as in `left.png`. The target is `.cls`, `y.npy` or a number in `.json`. Pickles are never loaded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from narrows.arrays import Ints
from narrows.inputs import TARGET
from narrows.loaded import TARGET_NAMES
from worker.errors import RefusedError
from worker.formats import npy, strict_json
from worker.formats.columns import Column
from worker.formats.container import Container
from worker.formats.image_files import SUFFIXES
from worker.formats.images import Images, Members
from worker.formats.packed import CHUNK
from worker.formats.refusals import invalid, quoted
from worker.formats.samples import Samples, require_inputs
from worker.formats.transform import Transform

MAX_LABEL: Final = 1 << 20
"""The most bytes of a file that holds a label."""
LABEL_KEYS: Final = (*TARGET_NAMES, "cls", "class")
_INTEGER: Final = re.compile(rb"\s*(-?\d{1,18})\s*")
_NAME: Final = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)

Fields = dict[tuple[str, str], str]
"""The files of a sample, by the names and the kinds of its fields."""


def samples_in(container: Container) -> dict[str, Fields]:
    """Return the fields of each sample, by the name that its files share.

    There are none unless a sample has several files, one of them with a label.
    """
    samples: dict[str, Fields] = {}
    for file in container.sizes:
        path = PurePosixPath(file)
        name, _, ending = path.name.partition(".")
        if field := _field(ending.lower()):
            samples.setdefault(str(path.with_name(name)), {})[field] = file
    is_shard = any(len(fields) > 1 and _label(fields) for fields in samples.values())
    return samples if is_shard else {}


def read(container: Container, found: Mapping[str, Fields], transform: Transform) -> Samples:
    """Return these samples of a shard, in its order; raise RefusedError where they differ."""
    samples = list(found.items())
    first = samples[0][1]
    label = _label(first)
    if label is None:
        raise invalid(f"The sample {quoted(samples[0][0])} has no .cls, .json or y.npy.")
    fields = [field for field in first if field[1] in ("image", "npy") and field[0] != TARGET]
    require_inputs(len(fields))
    if not fields:
        raise invalid(f"The sample {quoted(samples[0][0])} has no .jpg, .png or .npy.")
    files = {field: _files(samples, field) for field in (*fields, label)}
    inputs = {
        name: Images(name, Members(container, files[name, kind]), transform.geometry.color)
        if kind == "image"
        else Arrays(name, container, files[name, kind])
        for name, kind in fields
    }
    targets: Column = (
        Arrays(TARGET, container, files[label])
        if label[1] == "npy"
        else Labels(TARGET, container, files[label], label[1])
    )
    left_out = len(container.sizes) - sum(map(len, files.values()))
    return Samples.of(inputs, targets, transform, left_out=left_out)


@dataclass(frozen=True)
class Labels(Column):
    """Class numbers in files of their own, as text or in JSON."""

    name: str
    container: Container
    files: Sequence[str]
    kind: str

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.files),)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    def take(self, index: Ints) -> NDArray[Any]:
        chosen = [self.files[row] for row in index]
        container = self.container.keeping(chosen)
        read = _of_json if self.kind == "json" else _of_text
        labels = [read(container.read(file, MAX_LABEL), file) for file in chosen]
        return np.array(labels, np.int64)


@dataclass(frozen=True)
class Arrays(Column):
    """An array in a file for each sample; all have the shape and type of the first."""

    name: str
    container: Container
    files: Sequence[str]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.files), *self._first.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._first.dtype

    @cached_property
    def _first(self) -> NDArray[Any]:
        return self._read(self.container, self.files[0])

    def take(self, index: Ints) -> NDArray[Any]:
        chosen = [self.files[row] for row in index]
        container = self.container.keeping(chosen)
        rows = np.empty((len(chosen), *self._first.shape), self.dtype)
        for row, file in enumerate(chosen):
            array = self._read(container, file)
            if (array.shape, array.dtype) != (self._first.shape, self.dtype):
                raise invalid(
                    f"{quoted(file)} has shape {array.shape} of {array.dtype}, but "
                    f"{quoted(self.files[0])} {self._first.shape} of {self.dtype}."
                )
            rows[row] = array
        return rows

    def check(self) -> None:
        """Read the first array; the others are checked when they are used."""
        _ = self._first

    @staticmethod
    def _read(container: Container, file: str) -> NDArray[Any]:
        return npy.column(partial(container.open, file), file, 64 * CHUNK).whole()


def _field(ending: str) -> tuple[str, str] | None:
    before, _, kind = ending.rpartition(".")
    if f".{kind}" in SUFFIXES:
        kind = "image"
    elif kind not in ("npy", "cls", "json"):
        return None
    name = before or (TARGET if kind in ("cls", "json") else "x")
    return (name, kind) if _NAME.fullmatch(name) else None


def _label(fields: Mapping[tuple[str, str], str]) -> tuple[str, str] | None:
    return next((f for f in ((TARGET, k) for k in ("cls", "npy", "json")) if f in fields), None)


def _files(samples: Sequence[tuple[str, Fields]], field: tuple[str, str]) -> list[str]:
    lacking = next((name for name, fields in samples if field not in fields), None)
    if lacking is not None:
        example = quoted(samples[0][1][field])
        raise invalid(f"The sample {quoted(lacking)} has no file like {example} of the first.")
    return [fields[field] for _, fields in samples]


def _of_text(data: bytes, file: str) -> int:
    number = _INTEGER.fullmatch(data)
    if number is None:
        raise invalid(f"{quoted(file)} holds no class number, but {quoted(repr(data[:40]))}.")
    return int(number[1])


def _of_json(data: bytes, file: str) -> int:
    try:
        value = strict_json.parse(data, "It")
    except RefusedError as refused:
        raise invalid(f"{quoted(file)} can't be read: {refused.detail}") from None
    found = value.raw
    if isinstance(found, dict):
        found = next((found[key] for key in LABEL_KEYS if key in found), None)
    if type(found) is not int or abs(found) >= 10**18:
        raise invalid(f"{quoted(file)} has no class number as {', '.join(LABEL_KEYS)}.")
    return found
