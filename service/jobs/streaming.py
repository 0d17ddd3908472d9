"""Server-sent events: the history of a job, to its end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.database.jobs import JobKind
from service.http.dependencies import FromApp, Services
from service.http.security import Reader
from service.jobs import service as jobs
from service.jobs.waiting import POLL_SECONDS

LastEventId = Annotated[
    int, Header(ge=0, le=2**63 - 1, description="The id of the last event that you have")
]


async def hold_place(caller: Reader, services: FromApp) -> AsyncIterator[None]:
    """Hold one of the caller's places until the stream has ended; raise TooManyRequestsError."""
    with services.places.held(caller.key_id):
        yield


async def stream(
    services: Services, kind: JobKind[Any], owner: str, identity: str, after: int
) -> AsyncIterator[ServerSentEvent]:
    """Yield the events of a job after the id `after`, to its end or that of the server."""

    def read() -> tuple[list[ServerSentEvent], int, bool]:
        with services.reading() as session:
            events, last = jobs.events_since(session, kind, owner, identity, seen)
        sent = [
            ServerSentEvent(id=str(e.id), event=e.kind, data={"at": e.at, **e.data}) for e in events
        ]
        return sent, events[-1].id if events else seen, last

    seen, last = after, False
    while not last and not services.closing.is_set():
        events, seen, last = await run_in_threadpool(read)
        for event in events:
            yield event
        if not last:
            await asyncio.sleep(POLL_SECONDS)
