"""Reads of a job that wait for its end or its next change."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Protocol, TypeVar

from fastapi import Header, Request, Response
from starlette.concurrency import run_in_threadpool

from narrows.vocabulary import ENDED
from service.http.dependencies import Services
from service.jobs.conditional import Dumped, entity_tag, matches, wait_seconds

POLL_SECONDS = 0.25

Prefer = Annotated[
    str | None, Header(description="`wait=N`: wait up to N (at most 60) seconds for the end")
]


class Described(Dumped, Protocol):
    """A job as the API describes it."""

    @property
    def state(self) -> str: ...


D = TypeVar("D", bound=Described)


async def read_when_changed(
    read: Callable[[], D],
    place: AbstractContextManager[None],
    services: Services,
    request: Request,
    response: Response,
    if_none_match: str | None,
    prefer: str | None,
) -> D | Response:
    """Return what `read` returns once the job has ended, or changed, or the wait is over.

    The answer is 304 if the entity tag is in `if_none_match`. A server that is about to stop
    answers at once. A wait holds `place`, which raises TooManyRequestsError if there is none.
    """
    wait = wait_seconds(prefer)
    with place if wait else nullcontext():
        return await _read(read, wait, services, request, response, if_none_match)


async def _read(
    read: Callable[[], D],
    wait: int,
    services: Services,
    request: Request,
    response: Response,
    if_none_match: str | None,
) -> D | Response:
    until = time.monotonic() + wait
    while True:
        job = await run_in_threadpool(read)
        tag = entity_tag(job)
        unchanged = matches(tag, if_none_match)
        changed = if_none_match is not None and not unchanged
        waited = time.monotonic() >= until or services.closing.is_set()
        if job.state in ENDED or changed or waited or await request.is_disconnected():
            break
        await asyncio.sleep(POLL_SECONDS)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if wait:
        headers["Preference-Applied"] = f"wait={wait}"
    if unchanged:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return job
