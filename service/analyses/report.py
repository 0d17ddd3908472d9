"""`/v1/analyses/{analysis_id}/report`: what was found, as a page, as Markdown, or as a figure."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session as OrmSession

from narrows.report.figures.figure import policy as svg_policy
from narrows.report.formats import FigureName, ReportFormat
from narrows.report.html import policy as page_policy
from narrows.report.report import NoFigureError, Report
from service.analyses import service as analyses
from service.analyses.findings import findings_of
from service.database.tables import ANALYSES, Dataset, Model
from service.http.dependencies import Session
from service.http.ids import Id
from service.http.problem_schema import responses
from service.http.problems import NoResultError, NotFoundError
from service.http.security import Caller, Reader
from service.jobs import service as jobs
from service.jobs.conditional import IfNoneMatch, entity_tag, matches

router = APIRouter(
    prefix="/v1/analyses/{analysis_id}",
    tags=["analyses"],
    responses=responses(401, 403, 404, NoResultError, 422, 429, 500, 503),
)

MEDIA_TYPES: dict[ReportFormat, str] = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "svg": "image/svg+xml",
}
_TEXT = {"schema": {"type": "string"}}


@router.get(
    "/report",
    response_class=Response,
    responses={
        200: {
            "description": "The report",
            "content": {media.partition(";")[0]: _TEXT for media in MEDIA_TYPES.values()},
        },
        304: {"description": "Not modified: the entity tag is in `If-None-Match`"},
    },
)
def get_report(
    analysis_id: Id,
    caller: Reader,
    session: Session,
    format: Annotated[  # noqa: A002 - the parameter's name
        ReportFormat,
        Query(
            description="`html`: a page that needs no other file and no network; `md`: Markdown "
            "for a pull request's comment; `svg`: a single figure"
        ),
    ] = "html",
    figure: Annotated[
        FigureName, Query(description="Which figure, for the format `svg`")
    ] = "network",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the report of an analysis that succeeded."""
    return report_of(session, caller, analysis_id, format, figure, if_none_match)


def report_of(
    session: OrmSession,
    caller: Caller,
    analysis_id: str,
    kind: ReportFormat,
    figure: FigureName,
    if_none_match: str | None = None,
) -> Response:
    """Return the response with a report; raise NotFoundError or NoResultError."""
    row = jobs.find(session, ANALYSES, caller.owner, analysis_id)
    jobs.require_success(row, ANALYSES)
    shown = session.get_one(Model, row.model_id), session.get_one(Dataset, row.dataset_id)
    names = [upload.name for upload in shown]
    tag = entity_tag(analyses.describe(session, row), page_policy(), kind, figure, *names)
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": _policy(kind),
    }
    if matches(tag, if_none_match):
        return Response(status_code=304, headers=headers)
    report = Report(findings_of(session, row))
    try:
        text = report.written(kind, figure)
    except NoFigureError as error:
        raise NotFoundError(f"This report lacks the figure: {error}.") from None
    return Response(text, headers=headers, media_type=MEDIA_TYPES[kind])


def _policy(kind: ReportFormat) -> str:
    policy = {"html": page_policy(), "svg": svg_policy()}.get(kind, "default-src 'none'")
    return f"{policy}; frame-ancestors 'none'"
