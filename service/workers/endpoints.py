"""`/v1/workers`."""

from fastapi import APIRouter

from service.http.dependencies import Session
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problems import responses
from service.http.security import Reader
from service.workers import service as workers
from service.workers.schemas import WorkerOut

router = APIRouter(
    prefix="/v1/workers", tags=["workers"], responses=responses(401, 403, 422, 500, 503)
)


@router.get("", response_model=Page[WorkerOut])
def list_workers(
    caller: Reader, session: Session, page_size: PageSize = 50, page_token: PageToken = None
) -> Slice[WorkerOut]:
    """List the workers, by name, with what they do.

    They serve everybody, so everybody who may read sees all of them, and whether they are busy;
    which model, dataset or analysis they are busy with only its owner sees.
    """
    return workers.page(session, caller.owner, page_size, page_token)
