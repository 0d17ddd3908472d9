"""The columns of a Parquet file as inputs and targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from narrows.arrays import Ints
from worker.formats.columns import Column, require_finite
from worker.formats.packed import MAX_BYTES
from worker.formats.parquet_file import Table, is_list
from worker.formats.refusals import invalid, quoted

MAX_LIST = 1 << 24
"""The most numbers in a row."""


@dataclass(frozen=True)
class Scalars(Column):
    """A column of numbers, [N]."""

    table: Table
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.table.rows,)

    @property
    def dtype(self) -> np.dtype[Any]:
        return _dtype(self.table.schema.field(self.name).type)

    def take(self, index: Ints) -> NDArray[Any]:
        order = np.argsort(index, kind="stable")
        parts = [_numpy(rows) for _, rows in self.table.chosen(self.name, index[order])]
        return _reordered(np.concatenate(parts) if parts else np.empty(0, self.dtype), order)

    def chunks(self) -> Iterator[NDArray[Any]]:
        for _, rows in self.table.parts(self.name):
            yield _numpy(rows)


@dataclass(frozen=True)
class Stacked(Column):
    """Several columns of numbers side by side, [N, columns]."""

    name: str
    columns: Sequence[Scalars]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.columns[0]), len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(column.dtype for column in self.columns))

    def take(self, index: Ints) -> NDArray[Any]:
        return np.stack([column.take(index) for column in self.columns], 1).astype(self.dtype)

    def chunks(self) -> Iterator[NDArray[Any]]:
        for together in zip(*(column.chunks() for column in self.columns), strict=True):
            yield np.stack(together, 1).astype(self.dtype)


@dataclass(frozen=True)
class Lists(Column):
    """A column of lists, [N, length, …]: as they are if all are alike, else cut and padded."""

    table: Table
    name: str
    length: int | None
    pad: float

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape; without a `length`, that of the first list."""
        first = self._first.shape
        return self.table.rows, first[0] if self.length is None else self.length, *first[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        type_ = self.table.schema.field(self.name).type
        while is_list(type_):
            type_ = type_.value_type
        return _dtype(type_)

    def take(self, index: Ints) -> NDArray[Any]:
        order = np.argsort(index, kind="stable")
        size = int(np.prod(self.shape[1:])) * self.dtype.itemsize * len(index)
        if size > MAX_BYTES:
            raise invalid(f"{len(index):,} rows of {quoted(self.name)} take {size:,} bytes.")
        rows = np.full((len(index), *self.shape[1:]), self.pad).astype(self.dtype)
        done = 0
        for start, part in self.table.chosen(self.name, index[order]):
            for row in part:
                rows[done] = self._fitted(_nested(row.values, self.name), start)
                done += 1
        return _reordered(rows, order)

    def chunks(self) -> Iterator[NDArray[Any]]:
        for start, part in self.table.parts(self.name):
            yield np.stack([self._fitted(_nested(row.values, self.name), start) for row in part])

    def check(self) -> None:
        """Read all numbers; raise RefusedError for NaN and infinity."""
        for start, part in self.table.parts(self.name):
            for row, numbers in enumerate(part, start):
                require_finite(_nested(numbers.values, self.name)[None], self.name, row)

    def describe(self) -> dict[str, Any]:
        shape = [*self.shape[1:]]
        if self.length is None and len(self._lengths) > 1:
            low, high = min(self._lengths), max(self._lengths)
            return {"shape": [None, *shape[1:]], "dtype": str(self.dtype), "lengths": [low, high]}
        return {"shape": shape, "dtype": str(self.dtype)}

    def _fitted(self, numbers: NDArray[Any], where: int) -> NDArray[Any]:
        """Return the numbers of a row in the column's shape; raise RefusedError."""
        if self.length is not None:
            numbers = numbers[: self.length]
            missing = self.length - len(numbers)
            if missing and numbers.shape[1:] == self.shape[2:]:
                fill = np.full((missing, *self.shape[2:]), self.pad).astype(self.dtype)
                numbers = np.concatenate([numbers, fill])
        if numbers.shape != self.shape[1:]:
            raise invalid(
                f"The lists of {quoted(self.name)} differ: the first has shape "
                f"{list(self._first.shape)}, and one from row {where} on {list(numbers.shape)}. "
                'Declare a transform such as {"length": 128, "pad": 0}.'
            )
        return numbers

    @cached_property
    def _first(self) -> NDArray[Any]:
        for _, part in self.table.parts(self.name):
            return _nested(part[0].values, self.name)
        return np.empty(0, self.dtype)

    @cached_property
    def _lengths(self) -> set[int]:
        return {len(row.values) for _, part in self.table.parts(self.name) for row in part}


def _reordered(rows: NDArray[Any], order: Ints) -> NDArray[Any]:
    result = np.empty_like(rows)
    result[order] = rows
    return result


def _nested(values: pa.Array, name: str) -> NDArray[Any]:
    """Return the numbers of a list, and of lists in it, which must be alike; raise RefusedError."""
    if values.null_count:
        raise invalid(f"The column {quoted(name)} has empty cells; fill them.")
    if not is_list(values.type):
        if len(values) > MAX_LIST:
            raise invalid(f"A row of {quoted(name)} has {len(values):,} numbers.")
        return _numpy(values)
    inner = [_nested(row.values, name) for row in values]
    if len({array.shape for array in inner}) > 1:
        raise invalid(f"The lists in a row of {quoted(name)} have different lengths.")
    return np.stack(inner) if inner else np.empty((0, 0))


def _numpy(values: pa.Array) -> NDArray[Any]:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _dtype(type_: pa.DataType) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(type_.to_pandas_dtype())
    return dtype
