"""The errors of a call to a server."""

from collections.abc import Mapping
from typing import Any, Literal

Phase = Literal["connect", "write", "answer", "pool"]
"""The parts of a call that each have a time limit; `pool` is the wait for a free connection."""

AWAY = frozenset({408, 429, 502, 503, 504})
"""The statuses that pass: too many requests, or a server that is not there for a while."""


class ConfigurationError(ValueError):
    """An argument of the client, or an environment variable, is wrong; the text says which."""


class _CallError(Exception):
    """A call that failed. `may_pass` tells whether a repeat may succeed, `hint` what to do."""

    may_pass = False
    hint = ""

    def __str__(self) -> str:
        return f"{self._text()}\n{self.hint}" if self.hint else self._text()

    def _text(self) -> str:
        return super().__str__()


class ApiError(_CallError):
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

    def _text(self) -> str:
        fields = [f"{error.get('pointer') or '/'}: {error.get('detail')}" for error in self.errors]
        return f"{self.title}: {'; '.join(fields) or self.detail or self.type}"


class UnreachableError(_CallError):
    """The server can't be reached, or the connection broke during the call."""


class TimedOutError(UnreachableError):
    """A part of the call, `phase`, took longer than its limit; None: waiting for an analysis."""

    phase: Phase | None = None
