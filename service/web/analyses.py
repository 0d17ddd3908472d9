"""`/analyses`: what was asked for, newest first."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from service.analyses import service as analyses
from service.database.tables import ANALYSES, Dataset, Model
from service.http.dependencies import Session
from service.http.pagination import PageToken
from service.jobs import service as jobs
from service.naming.filters import JobFilters
from service.uploads.repository import UploadRepository
from service.web.callers import Reader
from service.web.filters import OfJobs
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
PAGE_SIZE: Final = 50


@router.get("/analyses")
def show_analyses(
    caller: Reader, session: Session, form: OfJobs, page_token: PageToken = None
) -> Response:
    """List analyses."""
    filters = form.of(JobFilters)
    page = jobs.page(session, ANALYSES, caller.owner, filters, PAGE_SIZE, page_token)
    return rendered(
        "analyses.html",
        caller=caller,
        here="analyses",
        rows=[analyses.describe(session, row) for row in page.items],
        models=UploadRepository(session, Model).names({row.model_id for row in page.items}),
        datasets=UploadRepository(session, Dataset).names({row.dataset_id for row in page.items}),
        form=form,
        older=page.next_page_token,
        first=page_token is None,
    )
