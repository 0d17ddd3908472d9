"""`/compare`: two analyses of versions of a network, layer by layer."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AfterValidator

from service.analyses.comparison import get_comparison
from service.database.tables import Model
from service.http.dependencies import Session
from service.http.ids import possible
from service.uploads.repository import UploadRepository
from service.web.callers import Reader
from service.web.rendering import rendered

router = APIRouter(include_in_schema=False)
AnalysisId = Annotated[str, Query(), AfterValidator(possible)]


@router.get("/compare")
def show_comparison(a: AnalysisId, b: AnalysisId, caller: Reader, session: Session) -> Response:
    """Show what became of each layer between the analysis `a` and the later one, `b`."""
    found = get_comparison(b, a, caller, session)
    return rendered(
        "compare.html",
        caller=caller,
        here="analyses",
        found=found,
        both=(found.before, found.after),
        models=UploadRepository(session, Model).names(
            {found.before.model_id, found.after.model_id}
        ),
    )
