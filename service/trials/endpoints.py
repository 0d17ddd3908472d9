"""`/v1/trials`."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.database.trials import TRIALS
from service.http.dependencies import FromApp, Services, Session
from service.http.ids import Id
from service.http.middleware import SmallBodyRoute
from service.http.pagination import Page, PageSize, PageToken, Slice
from service.http.problem_schema import responses
from service.http.problems import (
    ExpiredError,
    InUseError,
    KeyReusedError,
    NoResultError,
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
from service.naming.filters import OfTrials
from service.naming.schemas import NamingChange
from service.trials import service as trials
from service.trials.request import TrialRequest
from service.trials.schemas import TrialOut

router = APIRouter(
    prefix="/v1/trials",
    tags=["trials"],
    responses=responses(401, 403, 422, 429, 500, 503),
    route_class=SmallBodyRoute,
)


@router.post(
    "",
    status_code=202,
    responses=responses(
        400,
        404,
        RejectedError,
        ExpiredError,
        NoResultError,
        408,
        413,
        NotJsonError,
        422,
        KeyReusedError,
    ),
)
def create_trial(
    body: TrialRequest,
    response: Response,
    caller: Writer,
    session: Session,
    idempotency_key: IdempotencyKey = None,
) -> TrialOut:
    """Start a trial: train what plans build, and say what was gained. Poll the `Location`.

    Every variant is trained once with each seed, on the same samples and for as many steps.
    """
    row = trials.create(session, caller, body, idempotency_key)
    to_be_polled(response, f"{router.prefix}/{row.id}")
    return trials.describe(session, row)


@router.get("", response_model=Page[TrialOut])
def list_trials(
    caller: Reader,
    session: Session,
    filters: OfTrials,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Slice[TrialOut]:
    """List trials, newest first."""
    page = jobs.page(session, TRIALS, caller.owner, filters, page_size, page_token)
    return trials.describe_all(session, page)


def _read(services: Services, owner: str, trial_id: str) -> TrialOut:
    with services.reading() as session:
        return trials.describe(session, jobs.find(session, TRIALS, owner, trial_id))


@router.get(
    "/{trial_id}",
    response_model=TrialOut,
    responses={
        304: {"description": "Not modified: the entity tag is in `If-None-Match`"},
        **responses(404, 429),
    },
)
async def get_trial(
    trial_id: Id,
    request: Request,
    response: Response,
    caller: Reader,
    services: FromApp,
    if_none_match: IfNoneMatch = None,
    prefer: Prefer = None,
) -> TrialOut | Response:
    """Return a trial, its progress and, once it has succeeded, what was gained.

    With `Prefer: wait=N` the response comes when the trial has ended, or after N seconds. With
    `If-None-Match` as well, it also comes as soon as the trial has changed. A server that is about
    to stop answers at once.
    """

    def read() -> TrialOut:
        return _read(services, caller.owner, trial_id)

    place = services.places.held(caller.key_id)
    return await read_when_changed(read, place, services, request, response, if_none_match, prefer)


@router.patch("/{trial_id}", responses=responses(404, 408, 413, NotJsonError))
def change_trial(trial_id: Id, body: NamingChange, caller: Writer, session: Session) -> TrialOut:
    """Change the name, tags and metadata of a trial, as a JSON merge patch (RFC 7396) does."""
    return trials.describe(session, jobs.change(session, TRIALS, caller, trial_id, body))


@router.post("/{trial_id}/cancel", responses=responses(404))
def cancel_trial(trial_id: Id, caller: Writer, session: Session) -> TrialOut:
    """Cancel a trial. A trial that has ended is returned unchanged; that is no error."""
    return trials.describe(session, trials.cancel(session, caller, trial_id))


@router.delete(
    "/{trial_id}", status_code=204, response_class=Response, responses=responses(404, InUseError)
)
def delete_trial(trial_id: Id, caller: Writer, session: Session, services: FromApp) -> None:
    """Delete an ended trial, its runs and the networks that they trained."""
    jobs.remove(session, services.storage, TRIALS, caller, trial_id)


def _known(trial_id: Id, caller: Reader, services: FromApp) -> str:
    return _read(services, caller.owner, trial_id).id


@router.get(
    "/{trial_id}/events",
    response_class=EventSourceResponse,
    responses=responses(404, 429),
    dependencies=[Depends(hold_place)],
)
async def stream_trial_events(
    trial_id: Annotated[str, Depends(_known)],
    caller: Reader,
    services: FromApp,
    last_event_id: LastEventId = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of a trial to its end: all, or those after `Last-Event-ID`.

    The events `run` say that a run has done a segment, or how it ended. A server that is about to
    stop ends the stream before that: connect again.
    """
    async for event in stream(services, TRIALS, caller.owner, trial_id, last_event_id):
        yield event
