"""`/v1/analyses`."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from narrows.vocabulary import ENDED, AnalysisState
from service.analyses import service as analyses
from service.analyses.conditional import IfNoneMatch, entity_tag, matches, wait_seconds
from service.analyses.request import AnalysisRequest
from service.analyses.schemas import (
    AnalysisOut,
)
from service.http.dependencies import FromApp, Services, Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import (
    InUseError,
    KeyReusedError,
    NotJsonError,
    RejectedError,
)
from service.http.security import Reader, Writer

POLL_SECONDS = 0.25

router = APIRouter(
    prefix="/v1/analyses",
    tags=["analyses"],
    responses=responses(401, 403, 422, 500, 503),
    route_class=SmallBodyRoute,
)

IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your choice; the same request with the same key creates no second "
        "analysis",
    ),
]


@router.post(
    "",
    status_code=202,
    responses=responses(400, 404, RejectedError, 413, NotJsonError, 422, KeyReusedError),
)
def create_analysis(
    body: AnalysisRequest,
    response: Response,
    caller: Writer,
    session: Session,
    idempotency_key: IdempotencyKey = None,
) -> AnalysisOut:
    """Start an analysis: which layers of a model are bottlenecks. Poll the URL in `Location`."""
    row = analyses.create(session, caller.owner, body, idempotency_key)
    response.headers["Location"] = f"{router.prefix}/{row.id}"
    response.headers["Retry-After"] = "1"
    return analyses.describe(row)


@router.get("", response_model=Page[AnalysisOut])
def list_analyses(
    caller: Reader,
    session: Session,
    state: Annotated[
        AnalysisState | None, Query(description="Only those in this state; without it, all")
    ] = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[AnalysisOut]:
    """List analyses, newest first."""
    return analyses.page(session, caller.owner, state, page_size, page_token)


def _read(services: Services, owner: str, analysis_id: str) -> AnalysisOut:
    with services.reading() as session:
        return analyses.describe(analyses.find(session, owner, analysis_id))


@router.get(
    "/{analysis_id}",
    response_model=AnalysisOut,
    responses={
        304: {"description": "Not modified: the entity tag is in `If-None-Match`"},
        **responses(404),
    },
)
async def get_analysis(
    analysis_id: Id,
    request: Request,
    response: Response,
    caller: Reader,
    services: FromApp,
    if_none_match: IfNoneMatch = None,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: wait up to N (at most 60) seconds for the end")
    ] = None,
) -> AnalysisOut | Response:
    """Return an analysis and its progress.

    With `Prefer: wait=N` the response comes when the analysis has ended, or after N seconds. With
    `If-None-Match` as well, it also comes as soon as the analysis has changed. A server that is
    about to stop answers at once.
    """
    wait = wait_seconds(prefer)
    until = time.monotonic() + wait
    while True:
        analysis = await run_in_threadpool(_read, services, caller.owner, analysis_id)
        tag = entity_tag(analysis)
        unchanged = matches(tag, if_none_match)
        changed = if_none_match is not None and not unchanged
        ended = analysis.state in ENDED
        waited = time.monotonic() >= until or services.closing.is_set()
        if ended or changed or waited or await request.is_disconnected():
            break
        await asyncio.sleep(POLL_SECONDS)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if wait:
        headers["Preference-Applied"] = f"wait={wait}"
    if unchanged:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return analysis


@router.post("/{analysis_id}/cancel", responses=responses(404))
def cancel_analysis(analysis_id: Id, caller: Writer, session: Session) -> AnalysisOut:
    """Cancel an analysis. An analysis that has ended is returned unchanged; that is no error."""
    return analyses.describe(analyses.cancel(session, caller.owner, analysis_id))


@router.delete(
    "/{analysis_id}", status_code=204, response_class=Response, responses=responses(404, InUseError)
)
def delete_analysis(analysis_id: Id, caller: Writer, session: Session, services: FromApp) -> None:
    """Delete an ended analysis, its results and the networks that it built."""
    analyses.remove(session, services.storage, caller.owner, analysis_id)


def _known(analysis_id: Id, caller: Reader, services: FromApp) -> str:
    return _read(services, caller.owner, analysis_id).id


@router.get("/{analysis_id}/events", response_class=EventSourceResponse, responses=responses(404))
async def stream_events(
    analysis_id: Annotated[str, Depends(_known)],
    caller: Reader,
    services: FromApp,
    last_event_id: Annotated[
        int, Header(ge=0, le=2**63 - 1, description="The id of the last event that you have")
    ] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of an analysis to its end: all, or those after `Last-Event-ID`.

    A server that is about to stop ends the stream before that: connect again.
    """

    def read() -> tuple[list[ServerSentEvent], int, bool]:
        with services.reading() as session:
            events, last = analyses.events_since(session, caller.owner, analysis_id, seen)
        sent = [
            ServerSentEvent(id=str(e.id), event=e.kind, data={"at": e.at, **e.data}) for e in events
        ]
        return sent, events[-1].id if events else seen, last

    seen, last = last_event_id, False
    while not last and not services.closing.is_set():
        events, seen, last = await run_in_threadpool(read)
        for event in events:
            yield event
        if not last:
            await asyncio.sleep(POLL_SECONDS)
