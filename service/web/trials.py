"""`/trials`: what was tried by training, newest first."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from service.database.tables import Dataset, Model
from service.database.trials import TRIALS
from service.http.dependencies import Session
from service.http.pagination import PageToken
from service.jobs import service as jobs
from service.naming.filters import TrialFilters
from service.trials import service as trials
from service.trials.schemas import TrialSummary, VariantOut
from service.uploads.repository import UploadRepository
from service.web.callers import Reader
from service.web.filters import OfTrials
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
PAGE_SIZE: Final = 50


@router.get("/trials")
def show_trials(
    caller: Reader, session: Session, form: OfTrials, page_token: PageToken = None
) -> Response:
    """List trials."""
    filters = form.of(TrialFilters)
    page = jobs.page(session, TRIALS, caller.owner, filters, PAGE_SIZE, page_token)
    return rendered(
        "trials.html",
        caller=caller,
        here="trials",
        rows=[(row, _best(row.summary)) for row in trials.describe_all(session, page).items],
        models=UploadRepository(session, Model).names({row.model_id for row in page.items}),
        datasets=UploadRepository(session, Dataset).names({row.dataset_id for row in page.items}),
        form=form,
        older=page.next_page_token,
        first=page_token is None,
    )


def _best(summary: TrialSummary | None) -> VariantOut | None:
    """Return the variant that gained most among those that certainly gained."""
    found = [
        (one.gain.value, one)
        for one in (summary.variants if summary else ())
        if one.gain and one.gain.interval and one.gain.interval[0] > 0
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None
