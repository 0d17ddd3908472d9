"""The exceptions that end a command, and warnings, after which it goes on."""

from collections.abc import Iterable

import typer


class CommandError(Exception):
    """Ends the command with status 1; the text is for the user."""


class TerminatedError(BaseException):
    """SIGTERM came. As with KeyboardInterrupt, commands don't handle it as an error."""


def warn(remarks: Iterable[str]) -> None:
    """Print each remark as a line on standard error."""
    for remark in remarks:
        typer.echo(f"Warning: {remark}", err=True)
