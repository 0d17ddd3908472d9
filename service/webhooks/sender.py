"""Sends deliveries that are due, in the API's process; each process takes some of them."""

import asyncio
import json
import logging
import random
import time
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import httpx
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.database.base import utc_now
from service.http.dependencies import Services
from service.webhooks import destination
from service.webhooks.repository import Claim, WebhookRepository
from service.webhooks.signature import signed_headers

log = logging.getLogger(__name__)

PAUSES: Final = tuple(
    timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 7200, 4 * 3600, 8 * 3600, 8 * 3600)
)
"""Between attempts; together about a day."""
ATTEMPT_SECONDS: Final = 20.0
LEASE: Final = timedelta(seconds=60)
AT_ONCE: Final = 32
POLL_SECONDS: Final = 1.0
KEPT: Final = timedelta(days=30)
FORGET_SECONDS: Final = 3600.0
GONE: Final = 410
"""The receiver wants no more messages (Standard Webhooks)."""


class Sender:
    """Looks for deliveries that are due, and sends each in a task of its own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._private = services.settings.webhook_private
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._forget_at = 0.0

    async def run(self) -> None:
        """Send until cancelled; attempts that then run are made again by another process."""
        timeout = httpx.Timeout(ATTEMPT_SECONDS / 2)
        async with httpx.AsyncClient(trust_env=False, timeout=timeout) as http:
            try:
                while True:
                    await self._round(http)
                    await asyncio.sleep(POLL_SECONDS)
            finally:
                for task in self._tasks.values():
                    task.cancel()

    async def _round(self, http: httpx.AsyncClient) -> None:
        try:
            claims = await run_in_threadpool(self._claim, AT_ONCE - len(self._tasks))
        except SQLAlchemyError as error:
            log.warning("webhooks wait for the database: %s", type(error).__name__)
            return
        for claim in claims:
            task = asyncio.create_task(self._attempt(http, claim))
            self._tasks[claim.webhook_id] = task
            task.add_done_callback(partial(self._forget_task, claim.webhook_id))

    def _forget_task(self, webhook_id: str, _: object) -> None:
        del self._tasks[webhook_id]

    def _claim(self, limit: int) -> list[Claim]:
        """Take what is due. Mostly nothing is, and looking does not wait for a writer."""
        busy = list(self._tasks)
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + FORGET_SECONDS
            with self._services.transaction() as session:
                WebhookRepository(session).forget(utc_now() - KEPT)
        with self._services.reading() as session:
            if not WebhookRepository(session).is_due(busy):
                return []
        with self._services.transaction() as session:
            return WebhookRepository(session).claim(limit, busy, LEASE)

    async def _attempt(self, http: httpx.AsyncClient, claim: Claim) -> None:
        begun = time.monotonic()
        status, error = None, None
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                status = await self._post(http, claim)
        except destination.DestinationError as refusal:
            error = str(refusal)
        except TimeoutError:
            error = f"No answer within {ATTEMPT_SECONDS:.0f} s."
        except httpx.HTTPError as failure:
            error = f"No answer: {type(failure).__name__}."
        seconds = round(time.monotonic() - begun, 3)
        attempt = {
            "at": utc_now().isoformat(), "status": status, "error": error, "seconds": seconds,
        }  # fmt: skip
        with suppress(SQLAlchemyError):  # after the lease it is sent again, under the same id
            await run_in_threadpool(self._record, claim, attempt)

    async def _post(self, http: httpx.AsyncClient, claim: Claim) -> int:
        """Return the status of the answer, whose body is not read."""
        body = json.dumps(claim.payload).encode()
        named = httpx.URL(claim.url)
        url, extensions = await destination.pinned(named, private=self._private)
        headers = {
            **signed_headers(
                self._services.secret, claim.webhook_id, claim.secret_version, claim.id,
                int(time.time()), body,
            ),
            "Host": named.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "Narrows",
        }  # fmt: skip
        async with http.stream(
            "POST", url, content=body, headers=headers, extensions=extensions
        ) as answer:
            return answer.status_code

    def _record(self, claim: Claim, attempt: dict[str, Any]) -> None:
        status = attempt["status"]
        with self._services.transaction() as session:
            repository = WebhookRepository(session)
            if status is not None and httpx.codes.is_success(status):
                repository.attempted(claim, attempt, state="delivered")
            elif claim.tries > len(PAUSES) or status == GONE:
                repository.attempted(claim, attempt, state="failed")
                if status == GONE:
                    repository.disable(claim.webhook_id)
            else:
                repository.attempted(claim, attempt, next_attempt_at=next_attempt(claim.tries))


def next_attempt(tries: int) -> datetime:
    """Return when to try again after so many attempts; later by up to a tenth, by chance."""
    return utc_now() + PAUSES[tries - 1] * (1 + random.random() / 10)  # noqa: S311 - no secret
