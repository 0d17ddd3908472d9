"""The log: one line per event, with the ids of the request and of the work that it belongs to.

The ids are structlog's context variables. Code that passes work to another thread or process passes
them as well.
"""

import logging
import sys
from typing import Any, Final

import structlog
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor

from service.objects_in_text import without_addresses
from service.settings import Settings

REPEAT_SECONDS: Final = 60.0


def configure_logging(settings: Settings) -> None:
    """Log to standard error from `settings.log_level` on, with libraries and Python's warnings.

    Start uvicorn with `log_config=None`, or it replaces this configuration.
    """
    terminal = sys.stderr.isatty()
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not terminal)
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(_JSON if as_json else _for_people(colors=terminal)))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for library in ("asyncio", "uvicorn.error"):
        logging.getLogger(library).addFilter(Repeats())
    # `service.http.middleware` logs requests, with more fields.
    logging.getLogger("uvicorn.access").disabled = True


class Repeats(logging.Filter):
    """Lets each kind of message through once a minute, with how many were left out before.

    Clients can make libraries say the same again and again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (first_line(record.msg), record.exc_info and record.exc_info[0])
        said, left_out = self._said.get(kind, (-REPEAT_SECONDS, 0))
        if record.created - said < REPEAT_SECONDS:
            self._said[kind] = said, left_out + 1
            return False
        self._said[kind] = record.created, 0
        if left_out:
            record.msg = f"{record.msg} ({left_out} times more since the last time)"
        return True


def request_id() -> str | None:
    """Return the id of the current request; None outside of a request."""
    return get_contextvars().get("request_id")


def first_line(error: object) -> str:
    """Return the first line of an error's text, without addresses; some libraries write pages."""
    return without_addresses(str(error).partition("\n")[0])


_JSON: list[Processor] = [
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
]


def _for_people(*, colors: bool) -> list[Processor]:
    # The default tracebacks show local variables, which may hold secrets.
    traceback = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=traceback)]


def _without_colour(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn's second copy of the message
    return event


def _formatter(renderers: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            _without_colour,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )
