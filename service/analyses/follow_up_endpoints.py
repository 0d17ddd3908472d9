"""`/v1/analyses/{analysis_id}`: `/follow-ups`, `/plans` and `/builds`, which read no data."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Response

from service.analyses import follow_up
from service.analyses import service as analyses
from service.analyses.follow_up_request import BuildRequest, FollowUpRequest, PlanRequest
from service.analyses.schemas import AnalysisOut
from service.database.tables import ANALYSES, Analysis
from service.http.dependencies import Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.problem_schema import responses
from service.http.problems import (
    ExpiredError,
    InvalidError,
    KeyReusedError,
    NoResultError,
    NoSumsError,
    NotJsonError,
)
from service.http.security import Writer
from service.jobs import service as jobs
from service.jobs.idempotency import IdempotencyKey
from service.jobs.polling import to_be_polled

router = APIRouter(
    prefix="/v1/analyses/{analysis_id}",
    tags=["analyses"],
    responses=responses(
        400, 401, 403, 404, NoResultError, NoSumsError, ExpiredError, 408, 413, NotJsonError, 422,
        KeyReusedError, 429, 500, 503,
    ),
    route_class=SmallBodyRoute,
)  # fmt: skip
_OWN_PLAN = "/plans/0"
"""Where the one plan of a request stands in that for an analysis."""


@router.post("/follow-ups", status_code=202)
def create_follow_up(
    analysis_id: Id,
    body: FollowUpRequest,
    response: Response,
    caller: Writer,
    session: Session,
    idempotency_key: IdempotencyKey = None,
) -> AnalysisOut:
    """Analyse again from the partial sums of an analysis, with other options, without its data.

    The answer is an analysis of its own: poll the URL in `Location`.
    """
    changes = follow_up.of_request(body)
    row = follow_up.create(session, caller, analysis_id, changes, idempotency_key)
    return _answer(session, row, response)


@router.post("/plans", status_code=202)
def create_plan(
    analysis_id: Id,
    body: PlanRequest,
    response: Response,
    caller: Writer,
    session: Session,
    idempotency_key: IdempotencyKey = None,
) -> AnalysisOut:
    """Make a plan of your own, by factors for widths, or the plan `advise`, by a budget.

    The answer is a follow-up with this plan: poll the URL in `Location`, then read its `/plans`.
    """
    changes = follow_up.of_plan(body)
    with _pointing(_OWN_PLAN, to=""):
        row = follow_up.create(session, caller, analysis_id, changes, idempotency_key)
    return _answer(session, row, response)


@router.post("/builds", status_code=202)
def create_build(
    analysis_id: Id,
    body: BuildRequest,
    response: Response,
    caller: Writer,
    session: Session,
    idempotency_key: IdempotencyKey = None,
) -> AnalysisOut:
    """Build the network of a plan, verified against the original on random inputs.

    The answer is a follow-up with this plan: poll the URL in `Location`, then read its
    `/artifacts`.
    """
    source = jobs.find(session, ANALYSES, caller.owner, analysis_id)
    changes = follow_up.of_build(body, source)
    with _pointing(_OWN_PLAN, to="/plan"):
        row = follow_up.create(session, caller, analysis_id, changes, idempotency_key)
    return _answer(session, row, response)


def _answer(session: Session, row: Analysis, response: Response) -> AnalysisOut:
    to_be_polled(response, f"/v1/analyses/{row.id}")
    return analyses.describe(session, row)


@contextmanager
def _pointing(at: str, *, to: str) -> Iterator[None]:
    """Let the pointers of errors begin where the plan stands in this request."""
    try:
        yield
    except InvalidError as error:
        (first,) = error.extra["errors"]
        if first["pointer"].startswith(at):
            first["pointer"] = to + first["pointer"].removeprefix(at)
        raise
