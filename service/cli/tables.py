"""Tables and texts that never break a name in two: a wide table is printed wide."""

import textwrap

from rich import box
from rich.console import Console
from rich.table import Table

UNLIMITED = 100_000


def make_table(*headings: str) -> Table:
    """Return an empty table in the style of all commands, with these headings."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def width_of(table: Table) -> int:
    """Return the width of a table in which nothing is wrapped."""
    return Console(width=UNLIMITED).measure(table).maximum


def fits(console: Console, table: Table) -> bool:
    """Return whether a table fits; everything fits where the output is no terminal."""
    return not console.is_terminal or width_of(table) <= console.width


def print_table(console: Console, table: Table) -> None:
    """Print a table in its own width, also where the terminal is narrower."""
    wide = Console(
        file=console.file, highlight=False, width=max(console.width, width_of(table) + 1)
    )
    wide.print(table)


def print_text(console: Console, text: str, style: str | None = None) -> None:
    """Print a text, wrapped between words alone."""
    console.print(wrapped(text, console.width), style=style, markup=False, soft_wrap=True)


def wrapped(text: str, width: int) -> str:
    """Return a text in lines of at most `width` characters, unless a word is longer.

    >>> print(wrapped("backbone.block1.conv1 is a bottleneck", 20))
    backbone.block1.conv1
    is a bottleneck
    """
    return textwrap.fill(text, max(width, 1), break_long_words=False, break_on_hyphens=False)


def broken_name(name: str, width: int) -> str:
    """Return a module's name in lines that end behind a dot, of at most `width` where possible.

    >>> print(broken_name("backbone.block1.conv1", 16))
    backbone.block1.
    conv1
    """
    return wrapped(name.replace(".", ". "), width + 1).replace(". ", ".")
