"""`/models` and `/datasets`: what was uploaded, what was found in it, and a form to upload more."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from narrows.client import transfer
from service.datasets.schemas import DatasetOut
from service.datasets.service import DATASETS
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.pagination import PageToken
from service.models.schemas import ModelOut
from service.models.service import MODELS
from service.naming.filters import UploadFilters
from service.uploads import service as uploads
from service.uploads.expiry import UploadChange, describe, describe_page
from service.uploads.schemas import UploadOut
from service.uploads.service import Kind
from service.web.callers import Reader, Writer
from service.web.filters import OfUploads
from service.web.forms import FormFields
from service.web.naming import naming_of
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
PAGE_SIZE: Final = 50


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
        filters = form.of(UploadFilters)
        page = uploads.page(session, caller.owner, kind, filters, PAGE_SIZE, page_token)
        return rendered(
            "uploads.html",
            caller=caller,
            here=path[1:],
            kind=kind,
            large=transfer.LARGE,
            rows=describe_page(session, page, schema).items,
            form=form,
            older=page.next_page_token,
            first=page_token is None,
        )

    @router.post(path)
    async def upload(request: Request, caller: Writer, services: FromApp) -> Response:
        row, _ = await uploads.accept(request, services, caller, kind)
        return RedirectResponse(f"{path}/{row.id}", 303)

    @router.get(f"{path}/{{upload_id}}")
    def show_upload(upload_id: Id, caller: Reader, session: Session) -> Response:
        row = uploads.find(session, caller.owner, kind, upload_id)
        shown = describe(session, row, schema)
        return rendered(
            "upload.html", caller=caller, here=path[1:], kind=kind, upload=shown,
            found=shown.inspection,
        )  # fmt: skip

    @router.post(f"{path}/{{upload_id}}/name")
    def name_upload(
        upload_id: Id, fields: FormFields, caller: Writer, session: Session
    ) -> Response:
        asked = UploadChange(**naming_of(fields).model_dump(exclude_unset=True))
        uploads.change(session, caller, kind, upload_id, asked)
        return RedirectResponse(f"{path}/{upload_id}", 303)

    @router.post(f"{path}/{{upload_id}}/delete")
    def delete_upload(
        upload_id: Id, caller: Writer, session: Session, services: FromApp
    ) -> Response:
        uploads.remove(session, services.storage, caller, kind, upload_id)
        return RedirectResponse(path, 303)


_add_pages(MODELS, ModelOut)
_add_pages(DATASETS, DatasetOut)
