"""Runs work in a few processes and shows the progress; runs servers in the background."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Work = TypeVar("Work")


def run(title: str, do: Callable[[Work], Any], work: Collection[Work], jobs: int = 1) -> None:
    """Call `do` on each piece of `work`, in `jobs` processes; Ctrl-C stops them.

    `do` stores its results itself, so that those finished before Ctrl-C are not lost.
    """
    if not work:
        return
    columns = TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    context = multiprocessing.get_context("spawn")  # torch must not be forked
    with Progress(*columns) as progress, context.Pool(jobs, _ignore_interrupts) as pool:
        task = progress.add_task(title, total=len(work))
        try:
            for _ in pool.imap_unordered(do, work):
                progress.advance(task)
        except KeyboardInterrupt:
            raise SystemExit("Stopped. Finished results are stored; run again to go on.") from None


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C: the parent handles it and ends its pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[None]:
    """Run Python with these arguments, without output, until the context is left."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
