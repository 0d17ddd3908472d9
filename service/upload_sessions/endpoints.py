"""`/v1/uploads`."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from service.database.tables import Model
from service.datasets import endpoints as datasets
from service.datasets.schemas import DatasetOut
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import (
    ExpiredError,
    KeyReusedError,
    NotJsonError,
    PartDiffersError,
    PartsMissingError,
    UploadEndedError,
)
from service.http.security import Reader, Writer
from service.jobs.idempotency import IdempotencyKey
from service.models import endpoints as models
from service.models.schemas import ModelOut
from service.upload_sessions import beginning, completing, parts
from service.upload_sessions import service as sessions
from service.upload_sessions.digests import BodyDigest
from service.upload_sessions.schemas import (
    OfFile,
    State,
    UploadCompletion,
    UploadSessionDetail,
    UploadSessionOut,
    UploadSessionRequest,
)
from service.uploads.expiry import answer

router = APIRouter(
    prefix="/v1/uploads",
    tags=["uploads"],
    responses=responses(401, 403, 422, 429, 500, 503),
    route_class=SmallBodyRoute,
)
streaming = APIRouter()


@router.post(
    "",
    status_code=201,
    responses=responses(400, 413, NotJsonError, 422, KeyReusedError, 507),
)
def create_upload(
    body: UploadSessionRequest,
    response: Response,
    caller: Writer,
    services: FromApp,
    idempotency_key: IdempotencyKey = None,
) -> UploadSessionDetail:
    """Begin the upload of a large file in parts, which may come in any order and again."""
    session = beginning.begin(services, caller, body, idempotency_key)
    response.headers["Location"] = f"{router.prefix}/{session.id}"
    return session


@router.get("", response_model=Page[UploadSessionOut])
def list_uploads(
    caller: Reader,
    session: Session,
    state: State = None,
    sha256: OfFile = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[UploadSessionOut]:
    """List the upload sessions that have not expired, newest first."""
    return sessions.page(session, caller.owner, state, sha256, page_size, page_token)


@router.get("/{upload_id}", responses=responses(404))
def get_upload(upload_id: Id, caller: Reader, session: Session) -> UploadSessionDetail:
    """Return an upload session: what has arrived, and so what is missing."""
    return sessions.detail(session, caller.owner, upload_id)


@streaming.put(
    "/{upload_id}/parts/{number}",
    status_code=204,
    response_class=Response,
    responses=responses(400, 404, UploadEndedError, PartDiffersError, 412, 413, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The bytes of the part",
            "content": {"application/octet-stream": {"schema": {}}},
        }
    },
)
async def put_upload_part(
    upload_id: Id,
    number: Annotated[int, Path(ge=0, description="The number of the part, from 0")],
    request: Request,
    caller: Writer,
    services: FromApp,
    digest: BodyDigest,
) -> None:
    """Send a part. After the answer no crash loses it; to send it again changes nothing."""
    await parts.receive(request, services, caller.owner, upload_id, number, digest)


@router.post(
    "/{upload_id}/complete",
    status_code=201,
    responses={
        200: {"description": "The same upload is there already, at `Content-Location`"},
        **responses(
            400, 404, 408, UploadEndedError, PartsMissingError, ExpiredError, 412, 413,
            NotJsonError, 507,
        ),
    },
)  # fmt: skip
async def complete_upload(
    upload_id: Id,
    response: Response,
    caller: Writer,
    services: FromApp,
    body: Annotated[UploadCompletion, Body(default_factory=UploadCompletion)],
) -> ModelOut | DatasetOut:
    """Check the whole file and make the model or dataset; again, the answer is the same."""
    made = await completing.complete(services, caller, upload_id, body.expires_at)
    if isinstance(made[0], Model):
        prefix = models.router.prefix
        return await run_in_threadpool(answer, services, response, prefix, made, ModelOut)
    prefix = datasets.router.prefix
    return await run_in_threadpool(answer, services, response, prefix, made, DatasetOut)


@router.delete(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    responses=responses(404, UploadEndedError),
)
def cancel_upload(upload_id: Id, caller: Writer, services: FromApp) -> None:
    """Give an upload up and delete its parts."""
    sessions.cancel(services, caller, upload_id)


router.include_router(streaming)
