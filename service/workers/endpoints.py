"""`/v1/workers`."""

from fastapi import APIRouter

from service.http.dependencies import Session
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.security import Reader
from service.workers import service as workers
from service.workers.schemas import WorkerOut

router = APIRouter(
    prefix="/v1/workers", tags=["workers"], responses=responses(401, 403, 422, 429, 500, 503)
)


@router.get("", response_model=Page[WorkerOut])
def list_workers(
    caller: Reader, session: Session, page_size: PageSize = 50, page_token: PageToken = None
) -> Slice[WorkerOut]:
    """List the workers by name, each with its current work.

    Workers serve all owners, so every key with the scope `read` sees all workers and whether they
    are busy. Only the owner of a model, dataset, analysis or trial sees which worker works on it,
    and keys with the scope `admin` do.
    """
    return workers.page(session, None if caller.is_admin else caller.owner, page_size, page_token)
