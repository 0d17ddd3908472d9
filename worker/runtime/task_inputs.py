"""What claimed work is done with: files, and what the rows say about them."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from service.database.base import utc_now
from worker.isolation.errors import ChildTimeLimitError


@dataclass(frozen=True)
class TaskInputs:
    """A function of the pipeline is called with the paths of `files`, then `arguments`."""

    files: tuple[str, ...]
    arguments: tuple[Any, ...]
    deadline: datetime | None = None
    memory_bytes: int | None = None
    request_id: str | None = None
    """Of the HTTP request that asked for the work."""

    def followed_by(self, *arguments: Any) -> "TaskInputs":
        """Return the inputs with further arguments."""
        return replace(self, arguments=(*self.arguments, *arguments))

    def require_time_left(self) -> None:
        """Raise ChildTimeLimitError once the analysis has used the time that it was given."""
        if self.deadline is not None and utc_now() > self.deadline:
            raise ChildTimeLimitError("The analysis took longer than its `time_limit_seconds`.")
