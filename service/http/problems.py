"""Errors as problem documents (RFC 9457): their kinds and their JSON."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

PREFIX = "urn:narrows:problem:"
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One error in a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) to the value, within `in`")
    where: str = Field(alias="in", description="`body`, `query`, `path` or `header`")
    detail: str


class ProblemDocument(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str = Field(
        description="Stable name of the kind of problem", examples=[f"{PREFIX}not-found"]
    )
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str | None = Field(default=None, examples=["There is no analysis ana_3fa1."])
    errors: list[FieldError] | None = Field(
        default=None, description="The errors, one for each wrong field"
    )
    request_id: str | None = Field(
        default=None, description="Only with status 500: quote it when you report the fault"
    )


class ProblemError(HTTPException):
    """An error response; `extra` holds further members of the problem document."""

    status = 400
    slug = "bad-request"
    title = "Bad request"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(self.status, detail, headers)
        self.extra = extra

    def response(self) -> Response:
        headers = dict(self.headers or {})
        return respond(
            self.status, self.slug, self.title, self.detail, headers=headers, **self.extra
        )


class UnauthorizedError(ProblemError):
    status, slug, title = 401, "unauthorized", "A valid API key is needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="narrows"'})


class ForbiddenError(ProblemError):
    status, slug, title = 403, "forbidden", "The API key does not allow this"


class NotFoundError(ProblemError):
    status, slug, title = 404, "not-found", "Not found"


class InUseError(ProblemError):
    status, slug, title = 409, "in-use", "In use"


class NoResultError(ProblemError):
    status, slug, title = 409, "no-result", "No result yet"


class RejectedError(ProblemError):
    status, slug, title = 409, "upload-rejected", "The upload was rejected"


class TooLargeError(ProblemError):
    status, slug, title = 413, "too-large", "Too large"


class NotJsonError(ProblemError):
    status, slug, title = 415, "not-json", "Not JSON"


class NotMultipartError(ProblemError):
    status, slug, title = 415, "not-multipart", "Not multipart/form-data"


class NoSuchRangeError(ProblemError):
    status, slug, title = 416, "no-such-range", "No such range"


class KeyReusedError(ProblemError):
    status, slug, title = 422, "idempotency-key-reused", "The Idempotency-Key is taken"


class InvalidError(ProblemError):
    """An invalid value in the request, at `path`."""

    status, slug, title = 422, "invalid", "The request is invalid"

    def __init__(self, path: Iterable[int | str], detail: str, *, where: str = "body") -> None:
        error = {"pointer": pointer(path), "in": where, "detail": detail}
        super().__init__(detail, errors=[error])


class UnavailableError(ProblemError):
    status, slug, title = 503, "unavailable", "Not available now"


class StorageFullError(ProblemError):
    status, slug, title = 507, "storage-full", "No space left"


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()  # ASCII: UTF-8 can't encode a lone surrogate


def respond(
    status: int,
    slug: str,
    title: str,
    detail: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> Response:
    """Return the response with a problem document (RFC 9457, section 3)."""
    document = {"type": PREFIX + slug, "title": title, "status": status, "detail": detail, **extra}
    return ProblemResponse(document, status_code=status, headers=headers)


def pointer(path: Iterable[int | str]) -> str:
    """Return `path` as a JSON pointer (RFC 6901, section 3); `()` is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of these statuses, whose responses are problem documents."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }
