"""Shows how far an analysis is: one line on a terminal or in a notebook, nothing in a pipe."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

Report = Callable[[int, int | None], object]
"""Called with the number of batches, or of steps, done, and of all where that is known."""


@contextlib.contextmanager
def reporting(progress: bool | Report, noun: str = "batch") -> Iterator[Report]:
    """Yield what to call after each batch, or `noun`: `progress` itself, or what rewrites a line.

    The line is on standard error, and ends however the block ends.
    """
    if callable(progress):
        yield progress
        return
    stream = sys.stderr
    shown = progress and _rewrites_lines(stream)
    begun = False

    def show(done: int, total: int | None) -> None:
        nonlocal begun
        if shown:
            begun = True
            stream.write(f"\r{noun} {done}" + (f" of {total}" if total else ""))
            stream.flush()

    try:
        yield show
    finally:
        if begun:
            stream.write("\n")
            stream.flush()


def _rewrites_lines(stream: TextIO) -> bool:
    """Tell whether a person watches the stream: it is a terminal, or the output of a notebook."""
    return stream.isatty() or type(stream).__module__.startswith("ipykernel")
