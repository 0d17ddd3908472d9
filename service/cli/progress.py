"""Progress on standard error: bars on a terminal, otherwise one line for each step."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from service.cli.tables import print_text


class Step:
    """A running step and its progress bar."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def advance(self, by: int) -> None:
        self._bar.advance(self._task, by)

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show `done` of `total`; a total of None is unknown."""
        self._bar.update(self._task, completed=done, total=total, note=note)


class Steps:
    """Shows the steps of a command, one after the other."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    def note(self, text: str) -> None:
        """Print a text, above a bar if there is one."""
        for line in text.splitlines():
            print_text(self.console, line)

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        """Show a step while the context is open; without an error, its bar ends full."""
        terminal = self.console.is_terminal
        if not terminal:
            self.console.print(title, markup=False, soft_wrap=True)
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            disable=not terminal,
        )
        with bar:
            task = bar.add_task(f"{_shortened(title):36}", total=total, note="")
            yield Step(bar, task)
            bar.update(task, completed=1, total=1, note="")


class Pace:
    """Estimates the seconds left from what was done since the first look.

    >>> now = iter([0.0, 10.0, 14.0])
    >>> pace = Pace(lambda: next(now))
    >>> [pace.seconds_left(done, 16) for done in (4, 6, 6)]
    [None, 50.0, 46.0]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)

    def seconds_left(self, done: int, total: int) -> float | None:
        """Return the estimate; None until something was done since the first call."""
        now = self._clock()
        if self._first is None:
            self._first = self._last = (now, done)
        elif done != self._last[1]:
            self._last = (now, done)
        (began, before), (changed, until) = self._first, self._last
        if until <= before:
            return None
        left = (total - until) * (changed - began) / (until - before)
        return max(0.0, left - (now - changed))


def _shortened(title: str) -> str:
    return title if len(title) <= 36 else f"{title[:35]}…"
