"""Problem documents in the OpenAPI document: their schema, and an example of each kind."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.http import problems
from service.http.problem_document import MEDIA_TYPE, FieldError, ProblemDocument
from service.http.problems import ProblemError

_USUAL: Final[dict[int, type[ProblemError]]] = {
    400: ProblemError,
    401: problems.UnauthorizedError,
    403: problems.ForbiddenError,
    404: problems.NotFoundError,
    408: problems.TooSlowError,
    412: problems.ChecksumError,
    413: problems.TooLargeError,
    416: problems.NoSuchRangeError,
    422: problems.InvalidError,
    429: problems.TooManyRequestsError,
    500: problems.InternalError,
    503: problems.UnavailableError,
    507: problems.StorageFullError,
}


def responses(*kinds: int | type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of these problems, by status, each with an example.

    A number stands for the usual problem of that status.
    """
    described: dict[int | str, dict[str, Any]] = {}
    for kind in (_USUAL[kind] if isinstance(kind, int) else kind for kind in kinds):
        response = described.setdefault(kind.status, _described(kind.status))
        examples = response["content"][MEDIA_TYPE]["examples"]
        examples[kind.slug] = {"summary": kind.title, "value": kind.example_document()}
    return described


def _described(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    content = {MEDIA_TYPE: {"schema": schema, "examples": {}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def add_problem_schema(app: FastAPI) -> None:
    """Add the schema that every problem response refers to."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        _, definitions = models_json_schema(
            [(ProblemDocument, "serialization"), (FieldError, "serialization")],
            ref_template="#/components/schemas/{model}",
        )
        document["components"]["schemas"] |= definitions["$defs"]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
