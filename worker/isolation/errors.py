"""The ways in which a call into the child can end without a result."""

from worker.errors import ExplainedError


class ChildFailedError(ExplainedError):
    """The child gave no result."""

    def __init__(self, detail: str) -> None:
        super().__init__(self.slug, self.title, detail)


class ChildCrashedError(ChildFailedError):
    slug = "computation-crashed"
    title = "The computation crashed"


class ChildKilledError(ChildCrashedError):
    """Another process killed the child, perhaps not because of its work: worth a retry."""


class ChildExitedError(ChildFailedError):
    slug = "computation-exited"
    title = "The computation ended without a result"


class ChildOutOfMemoryError(ChildFailedError):
    slug = "out-of-memory"
    title = "The computation ran out of memory"


class ChildDiskFullError(ChildFailedError):
    """The disk is full, perhaps because of other processes: worth a retry later."""

    slug = "storage-full"
    title = "No space left"


class ChildTimeLimitError(ChildFailedError):
    slug = "time-limit"
    title = "The computation took too long"


class ChildUnexpectedError(ChildFailedError):
    slug = "internal-error"
    title = "Something went wrong on our side"
