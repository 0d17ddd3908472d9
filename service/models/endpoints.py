"""`/v1/models`."""

from fastapi import APIRouter, Request, Response

from service.database.tables import Model
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import InUseError, NotMultipartError
from service.http.security import Reader, Writer
from service.models.schemas import ModelOut
from service.models.service import MODELS
from service.uploads import service as uploads
from service.uploads.schemas import State, form_schema, just_made

router = APIRouter(
    prefix="/v1/models", tags=["models"], responses=responses(401, 403, 422, 500, 503)
)


@router.post(
    "",
    status_code=201,
    response_model=ModelOut,
    responses=just_made(ModelOut) | responses(400, 413, NotMultipartError, 507),
    openapi_extra=form_schema(),
)
async def create_model(
    request: Request, response: Response, caller: Writer, services: FromApp
) -> Model:
    """Upload a trained network, a `torch.export` archive (`.pt2`); a worker then inspects it."""
    model = await uploads.accept(request, services, caller, MODELS)
    response.headers["Location"] = f"{router.prefix}/{model.id}"
    return model


@router.get("", response_model=Page[ModelOut])
def list_models(
    caller: Reader,
    session: Session,
    state: State = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[Model]:
    """List models, newest first."""
    return uploads.page(session, caller.owner, MODELS, state, page_size, page_token)


@router.get("/{model_id}", response_model=ModelOut, responses=responses(404))
def get_model(model_id: Id, caller: Reader, session: Session) -> Model:
    """Return a model."""
    return uploads.find(session, caller.owner, MODELS, model_id)


@router.delete(
    "/{model_id}", status_code=204, response_class=Response, responses=responses(404, InUseError)
)
def delete_model(model_id: Id, caller: Writer, session: Session, services: FromApp) -> None:
    """Delete a model that no analysis refers to."""
    uploads.remove(session, services.storage, caller, MODELS, model_id)
