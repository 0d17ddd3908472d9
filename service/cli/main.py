"""`narrows`: any error ends in an exit status and a line on standard error, without a traceback."""

import os
import signal
import sys
from types import FrameType

from service.cli.errors import CommandError, TerminatedError


def main() -> None:
    """Run the command in `sys.argv`; exit with its status."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for `&`
        from service.cli.commands import app  # takes half a second, in which Ctrl-C may come

        app(prog_name="narrows")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except TerminatedError:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        if os.environ.get("NARROWS_LOG_LEVEL") == "DEBUG":
            raise
        from service.objects_in_text import without_addresses

        sys.exit(without_addresses(_explain(error)))


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise TerminatedError


def _explain(error: Exception) -> str:
    from alembic.util import CommandError as MigrationError
    from sqlalchemy.exc import SQLAlchemyError

    from narrows.client import ApiError, UnreachableError
    from service.settings import SettingsError

    if isinstance(error, CommandError | SettingsError | ApiError | UnreachableError):
        return str(error)
    if isinstance(error, SQLAlchemyError | MigrationError):
        told = "NARROWS_DATABASE_URL" if os.environ.get("NARROWS_DATABASE_URL") else "NARROWS_DATA"
        return f"The database can't be used: {str(error).splitlines()[0]} (see {told})"
    if isinstance(error, OSError):
        return str(error)
    return (
        f"A fault in Narrows: {type(error).__name__}: {error}\n"
        "Set NARROWS_LOG_LEVEL=DEBUG to see the traceback."
    )
