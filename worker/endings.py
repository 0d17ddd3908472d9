"""How a call into the child can end without a result, each way told apart."""

from typing import Any, ClassVar


class ChildFailedError(Exception):
    """The child gave no result; `detail` says why, to the person whose work it was."""

    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def as_problem(self) -> dict[str, Any]:
        """Return the problem document (RFC 9457) for an `error` column."""
        return {
            "type": f"urn:narrows:problem:{self.slug}",
            "title": self.title,
            "detail": self.detail,
        }


class ChildCrashedError(ChildFailedError):
    slug = "computation-crashed"
    title = "The computation crashed"


class ChildExitedError(ChildFailedError):
    slug = "computation-exited"
    title = "The computation ended without a result"


class ChildOutOfMemoryError(ChildFailedError):
    slug = "out-of-memory"
    title = "The computation ran out of memory"


class ChildTimeLimitError(ChildFailedError):
    slug = "time-limit"
    title = "The computation took too long"


class ChildUnexpectedError(ChildFailedError):
    slug = "internal-error"
    title = "Something went wrong on our side"
