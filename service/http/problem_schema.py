"""The schema of problem documents in the OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.http.problems import FieldError, ProblemDocument


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
