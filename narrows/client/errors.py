"""The errors of a call to a server."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An answer that is a problem document (RFC 9457), with its members.

    >>> document = {"title": "Not found", "detail": "There is no analysis ana_1."}
    >>> print(ApiError(404, document))
    Not found: There is no analysis ana_1.
    >>> error = {"pointer": "/pruning_ratio", "detail": "must be below 1"}
    >>> print(ApiError(422, {"title": "Invalid request", "errors": [error]}))
    Invalid request: /pruning_ratio: must be below 1
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(document.get("type") or "about:blank")
        self.title = str(document.get("title") or f"HTTP status {status}")
        self.detail: str | None = document.get("detail")
        self.errors: list[dict[str, Any]] = document.get("errors") or []
        super().__init__(status, document)

    def __str__(self) -> str:
        fields = [f"{error.get('pointer') or '/'}: {error.get('detail')}" for error in self.errors]
        return f"{self.title}: {'; '.join(fields) or self.detail or self.type}"


class UnreachableError(Exception):
    """The server can't be reached, or the connection broke during the call."""
