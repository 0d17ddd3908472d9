"""`/v1/datasets`."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from service.datasets.schemas import DatasetOut, Transform
from service.datasets.service import DATASETS
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import ExpiredError, InUseError, NotJsonError, NotMultipartError
from service.http.security import Reader, Writer
from service.naming.filters import OfUploads
from service.uploads import adding
from service.uploads import service as uploads
from service.uploads.expiry import UploadChange, answer, describe, describe_page
from service.uploads.schemas import form_schema, just_made

router = APIRouter(
    prefix="/v1/datasets", tags=["datasets"], responses=responses(401, 403, 422, 429, 500, 503)
)


@router.post(
    "",
    status_code=201,
    responses=just_made(DatasetOut) | responses(400, 408, 413, NotMultipartError, 507),
    openapi_extra=form_schema(
        transform={
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": Transform.model_json_schema(),
            "description": "JSON: the preprocessing of samples; an analysis may declare another",
        }
    ),
)
async def create_dataset(
    request: Request, response: Response, caller: Writer, services: FromApp
) -> DatasetOut:
    """Upload samples and targets; a worker then inspects them.

    The file is an archive of arrays `x` and `y` (`.npz`), or of images in a folder for each class
    (`.zip`, `.tar`), a WebDataset shard, Parquet or safetensors. Several inputs are `x0`, `x1`, …
    in the order of the network's, or have the names of its inputs.
    """
    made = await adding.accept(request, services, caller, DATASETS)
    return await run_in_threadpool(answer, services, response, router.prefix, made, DatasetOut)


@router.get("", response_model=Page[DatasetOut])
def list_datasets(
    caller: Reader,
    session: Session,
    filters: OfUploads,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[DatasetOut]:
    """List datasets, newest first."""
    page = uploads.page(session, caller.owner, DATASETS, filters, page_size, page_token)
    return describe_page(session, page, DatasetOut)


@router.get("/{dataset_id}", responses=responses(404))
def get_dataset(dataset_id: Id, caller: Reader, session: Session) -> DatasetOut:
    """Return a dataset."""
    return describe(session, uploads.find(session, caller.owner, DATASETS, dataset_id), DatasetOut)


def change_dataset(
    dataset_id: Id, body: UploadChange, caller: Writer, session: Session
) -> DatasetOut:
    """Change the name, tags and metadata of a dataset, and when it expires."""
    return describe(
        session, uploads.change(session, caller, DATASETS, dataset_id, body), DatasetOut
    )


router.add_api_route(
    "/{dataset_id}",
    change_dataset,
    methods=["PATCH"],
    responses=responses(404, ExpiredError, 408, 413, NotJsonError),
    route_class_override=SmallBodyRoute,
)


@router.delete(
    "/{dataset_id}", status_code=204, response_class=Response, responses=responses(404, InUseError)
)
def delete_dataset(dataset_id: Id, caller: Writer, session: Session, services: FromApp) -> None:
    """Delete a dataset that no analysis refers to."""
    uploads.remove(session, services.storage, caller, DATASETS, dataset_id)
