"""Progress on standard error: bars on a terminal, otherwise one line for each step."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


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
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        """Show a step while the context is open; without an error, its bar ends full."""
        terminal = self._console.is_terminal
        if not terminal:
            self._console.print(title, markup=False, soft_wrap=True)
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            disable=not terminal,
        )
        with bar:
            task = bar.add_task(f"{_shortened(title):36}", total=total, note="")
            yield Step(bar, task)
            bar.update(task, completed=1, total=1, note="")


def _shortened(title: str) -> str:
    return title if len(title) <= 36 else f"{title[:35]}…"
