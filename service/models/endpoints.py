"""`/v1/models`."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import ExpiredError, InUseError, NotJsonError, NotMultipartError
from service.http.security import Reader, Writer
from service.models.schemas import ModelOut
from service.models.service import MODELS
from service.naming.filters import OfUploads
from service.uploads import adding
from service.uploads import service as uploads
from service.uploads.expiry import UploadChange, answer, describe, describe_page
from service.uploads.schemas import form_schema, just_made

router = APIRouter(
    prefix="/v1/models", tags=["models"], responses=responses(401, 403, 422, 429, 500, 503)
)


@router.post(
    "",
    status_code=201,
    responses=just_made(ModelOut) | responses(400, 408, 413, NotMultipartError, 507),
    openapi_extra=form_schema(),
)
async def create_model(
    request: Request, response: Response, caller: Writer, services: FromApp
) -> ModelOut:
    """Upload a trained network, a `torch.export` archive (`.pt2`); a worker then inspects it."""
    made = await adding.accept(request, services, caller, MODELS)
    return await run_in_threadpool(answer, services, response, router.prefix, made, ModelOut)


@router.get("", response_model=Page[ModelOut])
def list_models(
    caller: Reader,
    session: Session,
    filters: OfUploads,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[ModelOut]:
    """List models, newest first."""
    page = uploads.page(session, caller.owner, MODELS, filters, page_size, page_token)
    return describe_page(session, page, ModelOut)


@router.get("/{model_id}", responses=responses(404))
def get_model(model_id: Id, caller: Reader, session: Session) -> ModelOut:
    """Return a model."""
    return describe(session, uploads.find(session, caller.owner, MODELS, model_id), ModelOut)


def change_model(model_id: Id, body: UploadChange, caller: Writer, session: Session) -> ModelOut:
    """Change the name, tags and metadata of a model, and when it expires."""
    return describe(session, uploads.change(session, caller, MODELS, model_id, body), ModelOut)


router.add_api_route(
    "/{model_id}",
    change_model,
    methods=["PATCH"],
    responses=responses(404, ExpiredError, 408, 413, NotJsonError),
    route_class_override=SmallBodyRoute,
)


@router.delete(
    "/{model_id}", status_code=204, response_class=Response, responses=responses(404, InUseError)
)
def delete_model(model_id: Id, caller: Writer, session: Session, services: FromApp) -> None:
    """Delete a model that no analysis refers to."""
    uploads.remove(session, services.storage, caller, MODELS, model_id)
