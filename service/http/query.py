"""Refuses query parameters that a path does not have, as bodies refuse unknown fields."""

from collections.abc import Iterator, Mapping
from typing import get_origin

from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from service.http.problems import InvalidError


def refuse_unknown_query(request: Request) -> None:
    """Raise InvalidError for the first query parameter that is unknown or comes too often.

    A misspelt `page_token` would else give the first page for ever.
    """
    allowed = _allowed(request)
    for name in request.query_params:
        if name not in allowed:
            names = ", ".join(sorted(allowed))
            choice = f"allowed here: {names}" if names else "none is allowed here"
            raise InvalidError(
                [name], f"There is no query parameter {name!r}; {choice}.", where="query"
            )
        if not allowed[name] and len(request.query_params.getlist(name)) > 1:
            raise InvalidError([name], f"{name!r} comes twice; send it once.", where="query")


def _allowed(request: Request) -> Mapping[str, bool]:
    """Return the names of a route's parameters, and whether each may be repeated."""
    return dict(_parameters(request.scope["route"].dependant))


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    for parameter in dependant.query_params:
        yield parameter.alias, get_origin(parameter.field_info.annotation) is tuple
    for dependency in dependant.dependencies:
        yield from _parameters(dependency)
