"""Reads the next batch while the last one is computed with."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
B = TypeVar("B")


def read_ahead(load: Callable[[T], B], pieces: Iterable[T]) -> Iterator[B]:
    """Yield `load` of each piece, in order; a thread loads one piece ahead.

    Raises what `load` raises, when its piece is due.

    >>> list(read_ahead(str, [1, 2, 3]))
    ['1', '2', '3']
    """
    with ThreadPoolExecutor(1, "read-ahead") as thread:
        upcoming: Future[B] | None = None
        for piece in pieces:
            loading = thread.submit(load, piece)
            if upcoming is not None:
                yield upcoming.result()
            upcoming = loading
        if upcoming is not None:
            yield upcoming.result()
