"""`/v1/datasets`."""

from fastapi import APIRouter, Request, Response

from service.database.tables import Dataset
from service.datasets.schemas import DatasetOut, Transform
from service.datasets.service import DATASETS
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import InUseError, NotMultipartError
from service.http.security import Reader, Writer
from service.uploads import service as uploads
from service.uploads.schemas import State, form_schema, just_made

router = APIRouter(
    prefix="/v1/datasets", tags=["datasets"], responses=responses(401, 403, 422, 500, 503)
)


@router.post(
    "",
    status_code=201,
    response_model=DatasetOut,
    responses=just_made(DatasetOut) | responses(400, 413, NotMultipartError, 507),
    openapi_extra=form_schema(
        transform={
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": Transform.model_json_schema(),
            "description": "JSON: the preprocessing of each sample, `(x * scale - mean) / std`",
        }
    ),
)
async def create_dataset(
    request: Request, response: Response, caller: Writer, services: FromApp
) -> Dataset:
    """Upload samples and targets (`.npz`: `x`, `y`); a worker then inspects them.

    Several inputs are `x0`, `x1`, … in the order of the network's, or have the names of its inputs.
    """
    dataset = await uploads.accept(request, services, caller, DATASETS)
    response.headers["Location"] = f"{router.prefix}/{dataset.id}"
    return dataset


@router.get("", response_model=Page[DatasetOut])
def list_datasets(
    caller: Reader,
    session: Session,
    state: State = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[Dataset]:
    """List datasets, newest first."""
    return uploads.page(session, caller.owner, DATASETS, state, page_size, page_token)


@router.get("/{dataset_id}", response_model=DatasetOut, responses=responses(404))
def get_dataset(dataset_id: Id, caller: Reader, session: Session) -> Dataset:
    """Return a dataset."""
    return uploads.find(session, caller.owner, DATASETS, dataset_id)


@router.delete(
    "/{dataset_id}", status_code=204, response_class=Response, responses=responses(404, InUseError)
)
def delete_dataset(dataset_id: Id, caller: Writer, session: Session, services: FromApp) -> None:
    """Delete a dataset that no analysis refers to."""
    uploads.remove(session, services.storage, caller, DATASETS, dataset_id)
