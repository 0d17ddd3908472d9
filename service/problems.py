"""Errors as RFC 9457 problem documents, all of them: raised here, by FastAPI or by accident."""

import errno
import json
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

log = logging.getLogger(__name__)

PREFIX = "urn:narrows:problem:"
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) to the value, within `in`")
    where: str = Field(alias="in", description="`body`, `query`, `path`, `header`")
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
        default=None, description="What exactly was wrong, field by field"
    )
    request_id: str | None = Field(
        default=None, description="Quote it when reporting a fault; 500 only"
    )


class Problem(HTTPException):
    """An answer that is an error; `extra` holds further members of the document."""

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


class Unauthorized(Problem):
    status, slug, title = 401, "unauthorized", "A valid API key is needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="narrows"'})


class Forbidden(Problem):
    status, slug, title = 403, "forbidden", "The API key does not allow this"


class NotFound(Problem):
    status, slug, title = 404, "not-found", "Not found"


class InUse(Problem):
    status, slug, title = 409, "in-use", "In use"


class NoResult(Problem):
    status, slug, title = 409, "no-result", "No result yet"


class Rejected(Problem):
    status, slug, title = 409, "upload-rejected", "The upload was rejected"


class TooLarge(Problem):
    status, slug, title = 413, "too-large", "Too large"


class NotMultipart(Problem):
    status, slug, title = 415, "not-multipart", "Not multipart/form-data"


class KeyReused(Problem):
    status, slug, title = (
        422,
        "idempotency-key-reused",
        "Idempotency-Key belongs to another request",
    )


class Invalid(Problem):
    """A value in the request that can't be; the pointer (RFC 6901) says which."""

    status, slug, title = 422, "invalid", "The request is invalid"

    def __init__(self, pointer: str, detail: str, *, where: str = "body") -> None:
        error = {"pointer": pointer, "in": where, "detail": detail}
        super().__init__(detail, errors=[error])


class Unavailable(Problem):
    status, slug, title = 503, "unavailable", "Not available now"


class StorageFull(Problem):
    status, slug, title = 507, "storage-full", "No space left"


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()  # ASCII: also a lone surrogate finds its way back


def respond(
    status: int,
    slug: str,
    title: str,
    detail: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> Response:
    """Return the response of a problem (RFC 9457, section 3)."""
    document = {"type": PREFIX + slug, "title": title, "status": status, "detail": detail, **extra}
    return ProblemResponse(document, status_code=status, headers=headers)


def pointer(path: Iterable[int | str]) -> str:
    """Return `path` as a JSON pointer (RFC 6901, section 3); `()` is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of these statuses: each a problem document."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Have every error of `app` answered by a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(OperationalError, _database_error)
    app.add_exception_handler(OSError, _os_error)


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - narrows what Starlette calls Exception
    return error.response()


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    slug = phrase.lower().replace(" ", "-")
    detail = error.detail if error.detail != phrase else None
    return respond(error.status_code, slug, phrase.capitalize(), detail, headers=headers)


def _allowed(request: Request) -> str:
    """Return all methods of this path: Starlette names those of the first route that has it."""
    return ", ".join(
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    )


def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = [
        {"pointer": _pointer(found), "in": found["loc"][0], "detail": _detail(found)}
        for found in error.errors()
    ]
    return respond(422, Invalid.slug, Invalid.title, "See `errors`.", errors=errors)


def _pointer(found: dict[str, Any]) -> str:
    path = found["loc"][1:]
    if found["type"] == "json_invalid":  # FastAPI ends the path with the character's position
        path = [part for part in path if isinstance(part, str)]
    return pointer(path)


def _detail(found: dict[str, Any]) -> str:
    if found["type"] == "extra_forbidden":
        return "There is no such field."
    if found["type"] == "json_invalid":
        return f"Not JSON: {found['ctx']['error']}."
    return str(found["msg"])


def _database_error(_: Request, error: Exception) -> Response:
    log.error("The database did not answer: %s", error)
    return Unavailable(
        "The database did not answer; try again.", headers={"Retry-After": "5"}
    ).response()


def _os_error(_: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        log.error("No space left: %s", error)
        return StorageFull("The service has no space left for this upload.").response()
    raise error
