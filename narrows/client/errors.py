"""The errors of a call to a server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from narrows.client.types import Problem

Phase = Literal["connect", "write", "answer", "pool"]
"""The parts of a call that each have a time limit; `pool` is the wait for a free connection."""

AWAY = frozenset({408, 429, 502, 503, 504})
"""The statuses that pass: too many requests, or a server that is not there for a while."""


class ConfigurationError(ValueError):
    """An argument of the client, or an environment variable, is wrong; the text says which."""


class CallError(Exception):
    """A call that failed. `may_pass` tells whether a repeat may succeed, `hint` what to do."""

    may_pass = False
    hint = ""

    def __str__(self) -> str:
        return f"{self._text()}\n{self.hint}" if self.hint else self._text()

    def _text(self) -> str:
        return super().__str__()


class ApiError(CallError):
    """An answer that is a problem document (RFC 9457), with its members.

    `retry_after` is the number of seconds that the server asks to wait, if it does.

    >>> document = {"title": "Not found", "detail": "There is no analysis ana_1."}
    >>> print(ApiError(404, document))
    Not found: There is no analysis ana_1.
    >>> error = {"pointer": "/pruning_ratio", "detail": "must be below 1"}
    >>> print(ApiError(422, {"title": "Invalid request", "errors": [error]}))
    Invalid request: /pruning_ratio: must be below 1
    >>> ApiError(404, document).may_pass, ApiError(503, {}).may_pass
    (False, True)
    >>> type(ApiError.of(404, document)).__name__, type(ApiError.of(502, {})).__name__
    ('NotFoundError', 'ServerError')
    """

    def __init__(
        self, status: int, document: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        self.status, self.retry_after = status, retry_after
        self.type = str(document.get("type") or "about:blank")
        self.title = str(document.get("title") or f"HTTP status {status}")
        self.detail: str | None = document.get("detail")
        self.errors: list[dict[str, Any]] = document.get("errors") or []
        self.may_pass = status in AWAY
        super().__init__(status, document)

    @staticmethod
    def of(
        status: int, document: Mapping[str, Any], retry_after: float | None = None
    ) -> "ApiError":
        """Return an error of the class for its status."""
        kind = ServerError if status >= 500 else BY_STATUS.get(status, ApiError)
        return kind(status, document, retry_after)

    def _text(self) -> str:
        fields = [f"{error.get('pointer') or '/'}: {error.get('detail')}" for error in self.errors]
        return f"{self.title}: {'; '.join(fields) or self.detail or self.type}"


class BadRequestError(ApiError):
    """Status 400."""


class AuthenticationError(ApiError):
    """Status 401: the key is missing or not valid."""


class PermissionDeniedError(ApiError):
    """Status 403: the key does not allow this."""


class NotFoundError(ApiError):
    """Status 404."""


class ConflictError(ApiError):
    """Status 409: not in this state, or something else refers to it."""


class UnprocessableError(ApiError):
    """Status 422: `errors` says which fields are wrong."""


class RateLimitedError(ApiError):
    """Status 429: `retry_after` says when it may be tried again."""


class ServerError(ApiError):
    """A status from 500 on."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitedError,
}


class FailedError(CallError):
    """An upload that was rejected, or work that ended without a result.

    `problem` is the problem document that says why, if there is one.
    """

    def __init__(self, what: str, problem: "Problem | None") -> None:
        self.problem = problem
        super().__init__(f"{what}: {problem.title}: {problem.detail}" if problem else f"{what}.")


class UnreachableError(CallError):
    """The server can't be reached, or the connection broke during the call."""


class TimedOutError(UnreachableError):
    """A part of the call, `phase`, took longer than its limit; None: waiting for an analysis."""

    phase: Phase | None = None


@contextmanager
def coming_back(noun: str, identity: str) -> Iterator[None]:
    """Add to an error how to come back to a job, unless it says that there is none."""
    try:
        yield
    except (ApiError, UnreachableError) as error:
        if isinstance(error, UnreachableError | ServerError) or error.may_pass:
            error.hint = f"The {noun} {identity} goes on; come back with: narrows show {identity}"
        raise
