"""`/analyses/{analysis_id}`: live while it runs; then its report, or why there is none."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.orm import Session as OrmSession

from narrows.report.formats import FigureName, ReportFormat
from narrows.report.html import Site, pieces, policy
from narrows.vocabulary import ENDED
from service.analyses import service as analyses
from service.analyses.findings import findings_of
from service.analyses.report import report_of
from service.database.tables import ANALYSES, Dataset, Model
from service.http.dependencies import Session
from service.http.ids import Id
from service.jobs import service as jobs
from service.naming.filters import JobFilters
from service.uploads.repository import UploadRepository
from service.web import further
from service.web.callers import Reader
from service.web.naming import naming_form
from service.web.rendering import filled, headers, rendered, source

router = APIRouter(prefix="/analyses/{analysis_id}", include_in_schema=False)
COMPARABLE: Final = 50
"""With how many other analyses, the newest, a page offers to compare."""


@router.get("")
def show_analysis(analysis_id: Id, caller: Reader, session: Session) -> Response:
    """Show how far an analysis is, its report, or why it has none."""
    row = jobs.find(session, ANALYSES, caller.owner, analysis_id)
    values: dict[str, Any] = {
        "caller": caller,
        "here": "analyses",
        "analysis": analyses.describe(session, row),
        "naming": naming_form(row),
    }
    if row.state == "succeeded":
        return _report(session, row, values)
    return rendered(
        "analysis.html",
        model=session.get_one(Model, row.model_id),
        dataset=session.get_one(Dataset, row.dataset_id),
        ended=row.state in ENDED,
        **values,
    )


def _report(session: OrmSession, row: Any, values: dict[str, Any]) -> Response:
    succeeded = JobFilters(state="succeeded")
    others = jobs.page(session, ANALYSES, row.owner, succeeded, COMPARABLE, None).items
    found = findings_of(session, row, f"/analyses/{row.id}/files")
    values |= further.shown(row, found.layers) | {
        "others": [other for other in others if other.id != row.id],
        "models": UploadRepository(session, Model).names({other.model_id for other in others}),
    }
    site = Site(
        style=source("pages.css"),
        script=source("sliders.js"),
        above=filled("above_report.html", **values),
        below=filled("below_report.html", **values),
        layers=f"/analyses/{row.id}/layers",
    )
    fields = headers(policy(site))
    return StreamingResponse(pieces(found, site), 200, fields, "text/html; charset=utf-8")


@router.get("/report")
def download_report(
    analysis_id: Id,
    caller: Reader,
    session: Session,
    format: Annotated[ReportFormat, Query()] = "html",  # noqa: A002 - the parameter's name
    figure: Annotated[FigureName, Query()] = "network",
) -> Response:
    """Download the report as a file."""
    answer = report_of(session, caller, analysis_id, format, figure)
    name = f"{figure if format == 'svg' else 'report'}-{analysis_id}.{format}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
