"""Refuses query parameters that a path does not have, as bodies refuse unknown fields."""

from collections.abc import Iterator, Sequence

from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from service.http.problems import InvalidError


def refuse_unknown_query(request: Request) -> None:
    """Raise InvalidError for the first query parameter that is unknown or comes twice.

    A misspelt `page_token` would else give the first page for ever.
    """
    allowed = _allowed(request)
    for name in request.query_params:
        if name not in allowed:
            choice = f"allowed here: {', '.join(allowed)}" if allowed else "none is allowed here"
            raise InvalidError(
                [name], f"There is no query parameter {name!r}; {choice}.", where="query"
            )
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidError([name], f"{name!r} comes twice; send it once.", where="query")


def _allowed(request: Request) -> Sequence[str]:
    return sorted(set(_parameters(request.scope["route"].dependant)))


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _parameters(dependency)
