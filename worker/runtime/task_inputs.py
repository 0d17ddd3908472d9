"""The inputs of claimed work: files, and values from the rows."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from service.database.base import utc_now
from worker.isolation.errors import ChildTimeLimitError


@dataclass(frozen=True)
class StoredFile:
    """A file in storage; the function of the pipeline gets its path."""

    sha256: str


@dataclass(frozen=True)
class TaskInputs:
    """The arguments of a function of the pipeline."""

    arguments: tuple[Any, ...]
    owner: str
    deadline: datetime | None = None
    memory_bytes: int | None = None
    inspected_bytes: int | None = None
    """The size of the upload that is inspected, on which the time limit depends."""
    request_id: str | None = None
    """The id of the HTTP request that caused the work, for the log."""

    def followed_by(self, *arguments: Any) -> "TaskInputs":
        """Return the inputs with further arguments."""
        return replace(self, arguments=(*self.arguments, *arguments))

    def require_time_left(self) -> None:
        """Raise ChildTimeLimitError if the deadline of the job has passed."""
        if self.deadline is not None and utc_now() > self.deadline:
            raise ChildTimeLimitError("It took longer than its `time_limit_seconds`, in all.")
