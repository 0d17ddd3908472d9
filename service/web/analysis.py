"""`/analyses/{analysis_id}`: live while it runs; then its report, or why there is none."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.orm import Session as OrmSession

from narrows.report.formats import FigureName, ReportFormat
from narrows.report.html import Site, pieces, policy
from narrows.vocabulary import BUDGET_KINDS, ENDED, PLANS, PRUNED
from service.analyses import service as analyses
from service.analyses.findings import findings_of
from service.analyses.report import report_of
from service.database.tables import ANALYSES, Dataset, Model
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.jobs import service as jobs
from service.jobs.downloads import FileName, Wanted, download
from service.jobs.streaming import LastEventId, stream
from service.naming.filters import JobFilters
from service.uploads.repository import UploadRepository
from service.web.callers import Reader, Writer
from service.web.forms import FormFields
from service.web.naming import naming_of
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
    values |= {
        "others": [other for other in others if other.id != row.id],
        "budget_kinds": BUDGET_KINDS,
        "buildable": [*PLANS, PRUNED],
        "models": UploadRepository(session, Model).names({other.model_id for other in others}),
    }
    site = Site(
        style=source("pages.css"),
        above=filled("above_report.html", **values),
        below=filled("below_report.html", **values),
        layers=f"/analyses/{row.id}/layers",
    )
    found = findings_of(session, row, f"/analyses/{row.id}/files")
    fields = headers(policy(site.style, "'self'"))
    return StreamingResponse(pieces(found, site), 200, fields, "text/html; charset=utf-8")


def _known(analysis_id: Id, caller: Reader, services: FromApp) -> str:
    with services.reading() as session:
        return jobs.find(session, ANALYSES, caller.owner, analysis_id).id


async def _hold_place(caller: Reader, services: FromApp) -> AsyncIterator[None]:
    with services.places.held(caller.key_id):
        yield


@router.get("/events", response_class=EventSourceResponse, dependencies=[Depends(_hold_place)])
async def stream_events(
    analysis_id: Annotated[str, Depends(_known)],
    caller: Reader,
    services: FromApp,
    last_event_id: LastEventId = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of an analysis to its end."""
    async for event in stream(services, ANALYSES, caller.owner, analysis_id, last_event_id):
        yield event


@router.post("/cancel")
def cancel_analysis(analysis_id: Id, caller: Writer, session: Session) -> Response:
    """Cancel an analysis, and show it."""
    jobs.cancel(session, ANALYSES, caller, analysis_id)
    return RedirectResponse(f"/analyses/{analysis_id}", 303)


@router.post("/name")
def name_analysis(
    analysis_id: Id, fields: FormFields, caller: Writer, session: Session
) -> Response:
    """Change the name and tags of an analysis, and show it."""
    jobs.change(session, ANALYSES, caller, analysis_id, naming_of(fields))
    return RedirectResponse(f"/analyses/{analysis_id}", 303)


@router.post("/delete")
def delete_analysis(
    analysis_id: Id, caller: Writer, session: Session, services: FromApp
) -> Response:
    """Delete an analysis that has ended, and show the others."""
    jobs.remove(session, services.storage, ANALYSES, caller, analysis_id)
    return RedirectResponse("/analyses", 303)


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


@router.get("/files/{name}")
async def download_file(
    analysis_id: Id,
    name: FileName,
    caller: Reader,
    services: FromApp,
    wanted: Wanted,
) -> Response:
    """Download a network that was built."""
    return await download(services, ANALYSES, caller.owner, analysis_id, name, wanted)
