"""What the pages of analyses and trials share: events, and what is done with one of them."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.orm import Session as OrmSession

from service.database.jobs import JobKind
from service.database.tables import ANALYSES
from service.database.trials import TRIALS
from service.http.dependencies import FromApp, Session
from service.http.ids import Id
from service.http.security import Caller
from service.jobs import service as jobs
from service.jobs.downloads import FileName, Wanted, download
from service.jobs.streaming import LastEventId, stream
from service.trials import service as trials
from service.web.callers import Reader, Writer

router = APIRouter(include_in_schema=False)


async def _hold_place(caller: Reader, services: FromApp) -> AsyncIterator[None]:
    with services.places.held(caller.key_id):
        yield


def _add_pages(
    path: str, kind: JobKind[Any], cancel: Callable[[OrmSession, Caller, str], object]
) -> None:
    """Add the pages of one kind of job."""
    at = f"{path}/{{job_id}}"

    def known(job_id: Id, caller: Reader, services: FromApp) -> str:
        with services.reading() as session:
            jobs.find(session, kind, caller.owner, job_id)
        return job_id

    @router.get(
        f"{at}/events", response_class=EventSourceResponse, dependencies=[Depends(_hold_place)]
    )
    async def stream_events(
        job_id: Annotated[str, Depends(known)],
        caller: Reader,
        services: FromApp,
        last_event_id: LastEventId = 0,
    ) -> AsyncIterator[ServerSentEvent]:
        async for event in stream(services, kind, caller.owner, job_id, last_event_id):
            yield event

    @router.post(f"{at}/cancel")
    def cancel_job(job_id: Id, caller: Writer, session: Session) -> Response:
        cancel(session, caller, job_id)
        return RedirectResponse(f"{path}/{job_id}", 303)

    @router.post(f"{at}/delete")
    def delete_job(job_id: Id, caller: Writer, session: Session, services: FromApp) -> Response:
        jobs.remove(session, services.storage, kind, caller, job_id)
        return RedirectResponse(path, 303)

    @router.get(f"{at}/files/{{name}}")
    async def download_file(
        job_id: Id, name: FileName, caller: Reader, services: FromApp, wanted: Wanted
    ) -> Response:
        return await download(services, kind, caller.owner, job_id, name, wanted)


def _cancel_analysis(session: OrmSession, caller: Caller, identity: str) -> None:
    jobs.cancel(session, ANALYSES, caller, identity)


_add_pages("/analyses", ANALYSES, _cancel_analysis)
_add_pages("/trials", TRIALS, trials.cancel)
