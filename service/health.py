"""`/livez` and `/readyz`: whether the process runs, and whether it can serve requests."""

from collections.abc import Callable

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from service.broker.celery_app import BrokerUnavailableError
from service.database.migrate import is_current
from service.http.dependencies import FromApp, Services
from service.http.problem_schema import responses
from service.http.problems import UnavailableError
from service.http.query import refuse_unknown_query

router = APIRouter(
    tags=["health"], dependencies=[Depends(refuse_unknown_query)], responses=responses(422)
)


class Health(BaseModel):
    """The server is well; otherwise it answers with a problem."""

    status: str = Field(default="ok", description="`ok`")


@router.get("/livez")
def livez() -> Health:
    """Return 200 while the process runs."""
    return Health()


@router.get("/readyz", responses=responses(503))
def readyz(services: FromApp) -> Health:
    """Return 200 if database, schema and broker are available; a 503 names those that are not."""
    checks: list[Callable[[Services], str | None]] = [_database, _broker]
    failed = [problem for check in checks if (problem := check(services))]
    if failed:
        raise UnavailableError(" ".join(failed), headers={"Retry-After": "5"})
    return Health()


def _database(services: Services) -> str | None:
    try:
        current = is_current(services.engine)
    except SQLAlchemyError:
        return "The database does not answer."
    return None if current else "The database is not migrated: run `narrows migrate`."


def _broker(services: Services) -> str | None:
    try:
        services.broker.depth()
    except BrokerUnavailableError:
        return "The broker does not answer."
    return None
