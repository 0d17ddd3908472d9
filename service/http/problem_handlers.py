"""Answers every error with a problem document: our own, FastAPI's, and those of libraries."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from service.http.problem_document import pointer, respond
from service.http.problems import (
    InvalidError,
    NotJsonError,
    ProblemError,
    StorageFullError,
    UnavailableError,
)
from service.plain_errors import explain
from service.storage.disk_full import is_disk_full
from service.storage.errors import StorageError

Handler = Callable[[Request, Exception], Response]

log = logging.getLogger(__name__)


def add_problem_handlers(app: FastAPI) -> None:
    """Register the handlers; `service.http.middleware` answers all other errors with 500."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _forgetting(_http_exception))
    app.add_exception_handler(RequestValidationError, _forgetting(_validation_error))
    # InternalError: the database ended the transaction. NoConnectionError: the pool is exhausted.
    for unavailable in (OperationalError, InternalError, NoConnectionError):
        app.add_exception_handler(unavailable, _database_error)
    app.add_exception_handler(OSError, _os_error)


def _forgetting(handle: Handler) -> Handler:
    """Return a handler that lets the request's body go.

    FastAPI's functions keep the errors that they raise, and the tracebacks of those keep the
    variables of the functions, in a circle that would stay until garbage is collected.
    """

    def handle_and_forget(request: Request, error: Exception) -> Response:
        response = handle(request, error)
        link: BaseException | None = error
        while link is not None:
            link.__traceback__, link = None, link.__context__
        return response

    return handle_and_forget


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - narrows what Starlette calls Exception
    return error.response()


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    slug = phrase.lower().replace(" ", "-")
    detail = _reason(request, headers) if error.detail == phrase else f"{error.detail}."
    return respond(error.status_code, slug, phrase.capitalize(), detail, headers=headers)


def _reason(request: Request, headers: Mapping[str, str]) -> str:
    """Say in words what a bare status means."""
    if "Allow" in headers:
        return f"{request.method} is not allowed here; allowed are {headers['Allow']}."
    return "There is nothing at this path; `/docs` describes the paths of this server."


def _allowed(request: Request) -> str:
    """Return all methods of this path; Starlette names only those of the first matching route.

    Where there is a GET, there is a HEAD (`service.http.head`).
    """
    return ", ".join(
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": "GET" if method == "HEAD" else method})[0]
            is Match.FULL
            for route in request.app.routes
        )
    )


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if error.errors()[0]["loc"] == ("body",) and media_type != "application/json":
        # FastAPI did not parse the body, and its own error says that it is no object.
        sent = f"`{media_type}`" if media_type else "no media type"
        return NotJsonError(
            f"Send a JSON document with `Content-Type: application/json`; it came with {sent}."
        ).response()
    errors = [
        {"pointer": _pointer(entry), "in": entry["loc"][0], "detail": explain(entry)}
        for entry in error.errors()
    ]
    first = f"In the {errors[0]['in']}, at `{errors[0]['pointer']}`: {errors[0]['detail']}"
    detail = first if len(errors) == 1 else f"{first} In all, {len(errors)} values are wrong."
    return respond(422, InvalidError.slug, InvalidError.title, detail, errors=errors)


def _pointer(entry: dict[str, Any]) -> str:
    path = entry["loc"][1:]
    if entry["type"] == "json_invalid":  # FastAPI ends the path with the character's position
        path = [part for part in path if isinstance(part, str)]
    return pointer(path)


def _database_error(_: Request, error: Exception) -> Response:
    if is_disk_full(error):
        return _storage_full(error)
    log.error("The database did not answer: %s", error)
    return UnavailableError(
        "The database did not answer; try again.", headers={"Retry-After": "5"}
    ).response()


def _os_error(_: Request, error: Exception) -> Response:
    if is_disk_full(error):
        return _storage_full(error)
    if isinstance(error, StorageError):
        log.error("The storage did not answer: %s", error)
        return UnavailableError(
            "The file storage did not answer; try again.", headers={"Retry-After": "5"}
        ).response()
    raise error


def _storage_full(error: Exception) -> Response:
    log.error("No space left: %s", error)
    return StorageFullError(
        "The server has no space left for this; delete unused uploads, or try again later."
    ).response()
