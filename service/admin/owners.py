"""`/v1/usage` and `/v1/owners`."""

from typing import Annotated

from fastapi import APIRouter, Path

from service.admin.schemas import Owner, OwnerOut
from service.admin.usage import owners, usage
from service.analyses import service as analyses
from service.analyses.schemas import AnalysisOut
from service.database.tables import ANALYSES
from service.http.audit import record
from service.http.dependencies import FromApp, Session
from service.http.middleware import SmallBodyRoute
from service.http.pagination import (
    ByName,
    Page,
    PageSize,
    PageToken,
    Slice,
    decode_token,
    first_page,
)
from service.http.problem_schema import responses
from service.http.problems import NotJsonError
from service.http.security import Admin, Reader
from service.jobs import service as jobs
from service.naming.filters import OfJobs
from service.quotas import limits

router = APIRouter(
    tags=["admin"],
    responses=responses(401, 403, 422, 429, 500, 503),
    route_class=SmallBodyRoute,
)

OwnerName = Annotated[Owner, Path(description="The owner")]


@router.get("/v1/usage")
def get_usage(caller: Reader, session: Session, services: FromApp) -> OwnerOut:
    """Return what you have stored and asked for, and your limits."""
    return usage(session, services.settings, [caller.owner])[0]


@router.get("/v1/owners", response_model=Page[OwnerOut])
def list_owners(
    _caller: Admin,
    session: Session,
    services: FromApp,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[OwnerOut]:
    """List the owners by name, with what each has stored and asked for, and its limits."""
    names = owners(session, decode_token(page_token, ByName) or "", page_size + 1)
    page = first_page(names, page_size, lambda name: name)
    return Slice(usage(session, services.settings, page.items), page.next_page_token)


@router.put("/v1/owners/{owner}/limits", responses=responses(400, 413, NotJsonError))
def set_limits(
    owner: OwnerName, body: limits.OwnLimits, caller: Admin, session: Session, services: FromApp
) -> OwnerOut:
    """Replace the limits of an owner that are other than usual; those left out are as usual."""
    limits.set_limits(session, owner, body)
    record(session, caller, "owner.limit", owner[:64])
    return usage(session, services.settings, [owner])[0]


@router.get("/v1/owners/{owner}/analyses", response_model=Page[AnalysisOut])
def list_analyses_of_owner(
    owner: OwnerName,
    _caller: Admin,
    session: Session,
    filters: OfJobs,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[AnalysisOut]:
    """List the analyses of an owner, newest first."""
    page = jobs.page(session, ANALYSES, owner, filters, page_size, page_token)
    return Slice([analyses.describe(session, row) for row in page.items], page.next_page_token)
