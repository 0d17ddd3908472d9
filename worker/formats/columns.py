"""Columns: an input or the targets of N samples, of which only some rows are read."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.arrays import Ints
from worker.formats.refusals import invalid
from worker.formats.transform import Transform

ROWS_AT_ONCE = 4096


class Column(ABC):
    """N rows, as stored; `name` is for messages."""

    name: str

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape [N, …] of all rows."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""

    @abstractmethod
    def take(self, index: Ints) -> NDArray[Any]:
        """Return some rows, [n, …], in the order of `index`; raise RefusedError."""

    def read(self, index: Ints, transform: Transform) -> Tensor:
        """Return some rows with their channels first, resized and cropped; raise RefusedError."""
        return transform.arranged(torch.from_numpy(self.take(index)))

    def only(self, index: Ints) -> "Column":
        """Return a column of these rows alone, which are read together when the first is needed."""
        return Chosen(self, index)

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield all rows, in order and in parts."""
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield self.take(np.arange(start, min(start + ROWS_AT_ONCE, len(self))))

    def check(self) -> None:
        """Read whatever can be checked only so; raise RefusedError for NaN and infinity."""
        start = 0
        for rows in self.chunks():
            require_finite(rows, self.name, start)
            start += len(rows)

    def describe(self) -> dict[str, Any]:
        """Return the shape of a row, and the type, as JSON."""
        return {"shape": list(self.shape[1:]), "dtype": str(self.dtype)}

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True)
class Loaded(Column):
    """Rows in memory."""

    name: str
    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def take(self, index: Ints) -> NDArray[Any]:
        return self.array[index]


@dataclass(frozen=True)
class Chosen(Column):
    """Some rows of a column that is read from its beginning; they are kept in memory."""

    column: Column
    index: Ints

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.column.name

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.index), *self.column.shape[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.column.dtype

    @cached_property
    def _rows(self) -> NDArray[Any]:
        rows = self.column.take(self.index)
        require_finite(rows, self.name)
        return rows

    def take(self, index: Ints) -> NDArray[Any]:
        return self._rows[index]


def require_finite(rows: NDArray[Any], name: str, start: int = 0) -> None:
    """Raise RefusedError if a row holds NaN or infinity; the first has the number `start`."""
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        first = start + int(np.argmin(np.isfinite(rows).reshape(len(rows), -1).all(1)))
        raise invalid(
            f"{name} holds NaN or infinity, first in sample {first}. Replace or remove such "
            "samples."
        )
