"""Where the two clients differ by more than words: waiting, threads, many at once."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

sleep = time.sleep


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function returns that reads files."""
    return function(*args, **kwargs)


def several(work: Callable[[], None], count: int) -> None:
    """Run `work` so many times at once, in threads; raise the first error at once.

    The others are not waited for: a thread can't be ended, so `work` looks whether it should go on.
    """
    ended = SimpleQueue[BaseException | None]()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    for _ in range(count):
        threading.Thread(target=run, name="upload", daemon=True).start()
    for _ in range(count):
        if error := ended.get():
            raise error
