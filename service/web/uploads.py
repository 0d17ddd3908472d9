"""`/models` and `/datasets`: what was uploaded, what was found in it, and a form to upload more."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session as OrmSession
from starlette.concurrency import run_in_threadpool

from narrows.client import transfer
from service.datasets.schemas import DatasetOut
from service.datasets.service import DATASETS
from service.http.accept import wants_page
from service.http.dependencies import FromApp, Services, Session
from service.http.ids import Id
from service.http.pagination import PageToken
from service.http.problems import ProblemError
from service.http.security import Caller
from service.models.schemas import ModelOut
from service.models.service import MODELS
from service.naming.filters import UploadFilters
from service.uploads import adding
from service.uploads import service as uploads
from service.uploads.expiry import describe, describe_page
from service.uploads.kind import Kind
from service.uploads.schemas import UploadOut
from service.web.callers import Reader, Writer
from service.web.filters import OfUploads, UploadForm
from service.web.forms import Fields, Form, FormError
from service.web.naming import naming_form
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
PAGE_SIZE: Final = 50
EMPTY: Final[Fields] = {"transform": ["{}"]}
"""The form for another upload at first."""


def _add_pages(kind: Kind[Any], schema: type[UploadOut]) -> None:
    """Add the pages of one kind of upload."""
    path = f"/{kind.noun}s"

    @router.get(path)
    def show_uploads(
        caller: Reader,
        session: Session,
        form: OfUploads,
        page_token: PageToken = None,
    ) -> Response:
        return listed(session, caller, form, page_token, Form(EMPTY))

    def listed(
        session: OrmSession, caller: Caller, form: UploadForm, token: str | None, new: Form
    ) -> Response:
        filters = form.of(UploadFilters)
        page = uploads.page(session, caller.owner, kind, filters, PAGE_SIZE, token)
        return rendered(
            "uploads.html",
            error=new.error,
            caller=caller,
            here=path[1:],
            kind=kind,
            large=transfer.LARGE,
            rows=describe_page(session, page, schema).items,
            form=form,
            new=new,
            older=page.next_page_token,
            first=token is None,
        )

    @router.post(path)
    async def upload(request: Request, caller: Writer, services: FromApp) -> Response:
        texts: dict[str, str] = {}
        try:
            row, _ = await adding.accept(request, services, caller, kind, texts)
        except (ProblemError, RequestValidationError) as error:
            if not wants_page(request.headers):  # our script, which keeps what was typed
                raise
            new = Form(EMPTY | {name: [one] for name, one in texts.items()}, _problem(error))
            return await run_in_threadpool(again, services, caller, new)
        return RedirectResponse(f"{path}/{row.id}", 303)

    def again(services: Services, caller: Caller, new: Form) -> Response:
        with services.reading() as session:
            return listed(session, caller, UploadForm(), None, new)

    @router.get(f"{path}/{{upload_id}}")
    def show_upload(upload_id: Id, caller: Reader, session: Session) -> Response:
        row = uploads.find(session, caller.owner, kind, upload_id)
        shown = describe(session, row, schema)
        return rendered(
            "upload.html", caller=caller, here=path[1:], kind=kind, upload=shown,
            found=shown.inspection, naming=naming_form(row),
        )  # fmt: skip

    @router.post(f"{path}/{{upload_id}}/delete")
    def delete_upload(
        upload_id: Id, caller: Writer, session: Session, services: FromApp
    ) -> Response:
        uploads.remove(session, services.storage, caller, kind, upload_id)
        return RedirectResponse(path, 303)


def _problem(error: ProblemError | RequestValidationError) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    return FormError({**entry, "loc": entry["loc"][1:]} for entry in error.errors())


_add_pages(MODELS, ModelOut)
_add_pages(DATASETS, DatasetOut)
