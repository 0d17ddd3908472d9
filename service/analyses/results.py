"""`/v1/analyses/{analysis_id}`: `/layers`, `/structures` and `/plans` of one that succeeded."""

from fastapi import APIRouter

from service.analyses import service as analyses
from service.analyses.result_schemas import LayerOut, PlanOut, StructureOut
from service.database.tables import Layer, Plan, Structure
from service.http.dependencies import Session
from service.http.ids import Id
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import NoResultError
from service.http.security import Reader

router = APIRouter(
    prefix="/v1/analyses/{analysis_id}",
    tags=["analyses"],
    responses=responses(401, 403, 404, NoResultError, 422, 429, 500, 503),
)


@router.get("/layers", response_model=Page[LayerOut])
def list_layers(
    analysis_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 1000,
    page_token: PageToken = None,
) -> Slice[Layer]:
    """List the layers in the network's order, each with its verdict."""
    return analyses.results(session, caller.owner, analysis_id, Layer, page_size, page_token)


@router.get("/structures", response_model=Page[StructureOut])
def list_structures(
    analysis_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 1000,
    page_token: PageToken = None,
) -> Slice[Structure]:
    """List the structures (channels that are pruned together), each with its saliency."""
    return analyses.results(session, caller.owner, analysis_id, Structure, page_size, page_token)


@router.get("/plans", response_model=Page[PlanOut])
def list_plans(
    analysis_id: Id,
    caller: Reader,
    session: Session,
    page_size: PageSize = 1000,
    page_token: PageToken = None,
) -> Slice[Plan]:
    """List the plans: changes of layer widths, as edits of module attributes."""
    return analyses.results(session, caller.owner, analysis_id, Plan, page_size, page_token)
