"""`/v1/analyses`."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.analyses import service as analyses
from service.analyses.request import AnalysisRequest
from service.analyses.schemas import AnalysisOut
from service.database.tables import ANALYSES
from service.http.dependencies import FromApp, Services, Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import (
    ExpiredError,
    InUseError,
    KeyReusedError,
    NotJsonError,
    RejectedError,
)
from service.http.security import Reader, Writer
from service.jobs import service as jobs
from service.jobs.conditional import IfNoneMatch
from service.jobs.idempotency import IdempotencyKey
from service.jobs.polling import to_be_polled
from service.jobs.streaming import LastEventId, hold_place, stream
from service.jobs.waiting import Prefer, read_when_changed
from service.naming.filters import OfJobs
from service.naming.schemas import NamingChange

router = APIRouter(
    prefix="/v1/analyses",
    tags=["analyses"],
    responses=responses(401, 403, 422, 429, 500, 503),
    route_class=SmallBodyRoute,
)


@router.post(
    "",
    status_code=202,
    responses=responses(
        400, 404, RejectedError, ExpiredError, 408, 413, NotJsonError, 422, KeyReusedError
    ),
)
def create_analysis(
    body: AnalysisRequest,
    response: Response,
    caller: Writer,
    session: Session,
    idempotency_key: IdempotencyKey = None,
) -> AnalysisOut:
    """Start an analysis: which layers of a model are bottlenecks. Poll the URL in `Location`."""
    row = analyses.create(session, caller, body, idempotency_key)
    to_be_polled(response, f"{router.prefix}/{row.id}")
    return analyses.describe(session, row)


@router.get("", response_model=Page[AnalysisOut])
def list_analyses(
    caller: Reader,
    session: Session,
    filters: OfJobs,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[AnalysisOut]:
    """List analyses, newest first."""
    page = jobs.page(session, ANALYSES, caller.owner, filters, page_size, page_token)
    return Slice([analyses.describe(session, row) for row in page.items], page.next_page_token)


def _read(services: Services, owner: str, analysis_id: str) -> AnalysisOut:
    with services.reading() as session:
        return analyses.describe(session, jobs.find(session, ANALYSES, owner, analysis_id))


@router.get(
    "/{analysis_id}",
    response_model=AnalysisOut,
    responses={
        304: {"description": "Not modified: the entity tag is in `If-None-Match`"},
        **responses(404, 429),
    },
)
async def get_analysis(
    analysis_id: Id,
    request: Request,
    response: Response,
    caller: Reader,
    services: FromApp,
    if_none_match: IfNoneMatch = None,
    prefer: Prefer = None,
) -> AnalysisOut | Response:
    """Return an analysis and its progress.

    With `Prefer: wait=N` the response comes when the analysis has ended, or after N seconds. With
    `If-None-Match` as well, it also comes as soon as the analysis has changed. A server that is
    about to stop answers at once.
    """

    def read() -> AnalysisOut:
        return _read(services, caller.owner, analysis_id)

    place = services.places.held(caller.key_id)
    return await read_when_changed(read, place, services, request, response, if_none_match, prefer)


@router.patch("/{analysis_id}", responses=responses(404, 408, 413, NotJsonError))
def change_analysis(
    analysis_id: Id, body: NamingChange, caller: Writer, session: Session
) -> AnalysisOut:
    """Change the name, tags and metadata of an analysis, as a JSON merge patch (RFC 7396) does."""
    return analyses.describe(session, jobs.change(session, ANALYSES, caller, analysis_id, body))


@router.post("/{analysis_id}/cancel", responses=responses(404))
def cancel_analysis(analysis_id: Id, caller: Writer, session: Session) -> AnalysisOut:
    """Cancel an analysis. An analysis that has ended is returned unchanged; that is no error."""
    return analyses.describe(session, jobs.cancel(session, ANALYSES, caller, analysis_id))


@router.delete(
    "/{analysis_id}", status_code=204, response_class=Response, responses=responses(404, InUseError)
)
def delete_analysis(analysis_id: Id, caller: Writer, session: Session, services: FromApp) -> None:
    """Delete an ended analysis, its results and the networks that it built."""
    jobs.remove(session, services.storage, ANALYSES, caller, analysis_id)


def _known(analysis_id: Id, caller: Reader, services: FromApp) -> str:
    return _read(services, caller.owner, analysis_id).id


@router.get(
    "/{analysis_id}/events",
    response_class=EventSourceResponse,
    responses=responses(404, 429),
    dependencies=[Depends(hold_place)],
)
async def stream_events(
    analysis_id: Annotated[str, Depends(_known)],
    caller: Reader,
    services: FromApp,
    last_event_id: LastEventId = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of an analysis to its end: all, or those after `Last-Event-ID`.

    A server that is about to stop ends the stream before that: connect again.
    """
    async for event in stream(services, ANALYSES, caller.owner, analysis_id, last_event_id):
        yield event
