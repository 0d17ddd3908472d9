"""Arrays in files: rows that follow one another, read from the beginning and in parts."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from narrows.arrays import Ints
from worker.formats.columns import Column
from worker.formats.refusals import invalid

MAX_BYTES = 4 << 30
"""The largest size of one array in memory; a header that claims more is refused."""
MAX_RANK = 8
"""The most dimensions of an array, as many as tensors of a network may have."""
CHUNK = 1 << 20

Open = Callable[[], IO[bytes]]
"""Opens the bytes of an array, at its first number."""


@dataclass(frozen=True)
class Packed(Column):
    """The numbers of an array as they lie in a file, `fortran`: with the first index fastest.

    `claimed` is the shape that the file states. Memory grows with the rows that come.
    """

    name: str
    open: Open
    claimed: tuple[int, ...]
    stored: np.dtype[Any]
    fortran: bool = False
    brain: bool = False
    """Whether numbers are bfloat16, the upper half of a float32; `stored` then is 16 bits."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.claimed

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32) if self.brain else self.stored.newbyteorder("=")

    def take(self, index: Ints) -> NDArray[Any]:
        order = np.argsort(index, kind="stable")
        wanted = index[order]
        if self.fortran and len(self.shape) > 1:
            return self._of_columns(index)
        rows = np.empty((len(index), *self.shape[1:]), self.dtype)
        start = 0
        for chunk in self.chunks():
            low, high = np.searchsorted(wanted, [start, start + len(chunk)])
            rows[order[low:high]] = chunk[wanted[low:high] - start]
            start += len(chunk)
            if high == len(wanted):
                break
        return rows

    def chunks(self) -> Iterator[NDArray[Any]]:
        if self.fortran and len(self.shape) > 1:
            yield self._of_columns(np.arange(len(self)))
            return
        numbers = math.prod(self.shape[1:])
        at_once = max(1, CHUNK // max(1, numbers * self.stored.itemsize))
        with self.open() as file:
            for start in range(0, len(self), at_once):
                count = min(at_once, len(self) - start)
                rows = self._numbers(file, count * numbers)
                yield rows.reshape(count, *self.shape[1:])
            file.read(1)  # the end, where archives check what they have read

    def whole(self) -> NDArray[Any]:
        """Return all numbers, of an array that may be a single one."""
        with self.open() as file:
            numbers = self._numbers(file, math.prod(self.shape))
            file.read(1)
        return numbers.reshape(self.shape, order="F" if self.fortran else "C")

    def _of_columns(self, index: Ints) -> NDArray[Any]:
        """Return rows of an array whose first index is the fastest: all numbers are read."""
        columns = math.prod(self.shape[1:])
        taken = np.empty((columns, len(index)), self.dtype)
        with self.open() as file:
            for column in range(columns):
                taken[column] = self._numbers(file, len(self))[index]
            file.read(1)
        rest = self.shape[:0:-1]
        return taken.T.reshape(len(index), *rest).transpose(0, *range(len(rest), 0, -1))

    def _numbers(self, file: IO[bytes], count: int) -> NDArray[Any]:
        data = bytearray()
        size = count * self.stored.itemsize
        while chunk := file.read(min(CHUNK, size - len(data))):
            data += chunk
        if len(data) != size:
            raise invalid(f"The array {self.name!r} ends early. Save the data again.")
        numbers = np.frombuffer(data, self.stored) if data else np.empty(0, self.stored)
        if self.brain:
            return (numbers.astype(np.uint32) << 16).view(np.float32)
        if self.stored.kind == "b":  # a byte that is neither 0 nor 1 would be no bool
            flags: NDArray[Any] = numbers.view(np.uint8) != 0
            return flags
        return numbers.astype(self.dtype, copy=False)


def check_shape(shape: tuple[int, ...], itemsize: int, name: str, most: int = MAX_BYTES) -> None:
    """Raise RefusedError for a shape that can't be, or that takes too much memory.

    A dimension of size 0 does not make the others small: numpy can't have 0 × 2⁶² either.
    """
    if len(shape) > MAX_RANK:
        raise invalid(
            f"The array {name!r} has {len(shape)} dimensions; at most {MAX_RANK} are read."
        )
    if any(size < 0 for size in shape):
        raise invalid(f"The array {name!r} has the impossible shape {shape}.")
    size, most = math.prod(size or 1 for size in shape) * itemsize, min(most, MAX_BYTES)
    if size > most:
        raise invalid(
            f"The array {name!r} of shape {shape} takes {size:,} bytes in memory; at most "
            f"{most:,} are read of it. Upload a sample of the data: a few thousand rows suffice."
        )
