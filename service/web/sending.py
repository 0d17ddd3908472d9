"""`/uploads`: large files in parts, as the script of the form sends them."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from pydantic import Json, ValidationError
from starlette.concurrency import run_in_threadpool

from service.database.tables import Model
from service.datasets.schemas import Transform
from service.http.dependencies import FromApp
from service.http.ids import Id
from service.http.problems import ChecksumError
from service.upload_sessions import beginning, completing, parts
from service.upload_sessions import service as sessions
from service.upload_sessions.digests import BodyDigest
from service.upload_sessions.schemas import UploadSessionDetail, UploadSessionRequest
from service.web.callers import Writer
from service.web.forms import FormFields

router = APIRouter(prefix="/uploads", include_in_schema=False)


class _Form(UploadSessionRequest):
    """The request as a form has it: the transform is a text."""

    transform: Json[Transform] | None = None


@router.post("")
def begin_upload(fields: FormFields, caller: Writer, services: FromApp) -> UploadSessionDetail:
    """Begin an upload, or say what has arrived of the same before."""
    try:
        asked = _Form.model_validate({name: texts[0] for name, texts in fields.items()})
    except ValidationError as error:
        wrong = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(wrong) from None
    return beginning.go_on(services, caller, asked)


@router.put("/{session_id}/parts/{number}", status_code=204, response_class=Response)
async def put_part(
    session_id: Id,
    number: Annotated[int, Path(ge=0)],
    request: Request,
    caller: Writer,
    services: FromApp,
    digest: BodyDigest,
) -> None:
    """Store a part; to send it again changes nothing."""
    await parts.receive(request, services, caller.owner, session_id, number, digest)


@router.post("/{session_id}/complete")
async def complete_upload(session_id: Id, caller: Writer, services: FromApp) -> Response:
    """Make the model or dataset, and show it."""
    try:
        made, _ = await completing.complete(services, caller, session_id)
    except ChecksumError:
        await run_in_threadpool(sessions.cancel, services, caller, session_id)
        raise ChecksumError("The file was changed while it was sent; send it again.") from None
    path = "/models" if isinstance(made, Model) else "/datasets"
    return RedirectResponse(f"{path}/{made.id}", 303)
