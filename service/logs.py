"""The log: one line an event, with the id of the request that it belongs to."""

import logging
from contextvars import ContextVar

from service.settings import Settings

request_id: ContextVar[str] = ContextVar("request_id", default="-")

FORMAT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def configure_logging(settings: Settings) -> None:
    """Log to standard error from `settings.log_level` on; start uvicorn with `log_config=None`."""
    handler = logging.StreamHandler()
    handler.addFilter(_RequestId())
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True  # `service.middleware` writes better lines
