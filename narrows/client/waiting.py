"""Waits for the end of a job or an inspection, also while the server is away for a while."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from narrows.client.calls import path_of
from narrows.client.errors import ApiError, TimedOutError, UnreachableError
from narrows.client.http import Connection
from narrows.client.types import Upload
from narrows.vocabulary import ENDED

WATCH_SECONDS = 10
"""The longest wait asked of the server: no proxy gives a call up that soon."""

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class JobKind:
    """A kind of job: what one is called, and the name of their list."""

    noun: str
    path: str


ANALYSES = JobKind("analysis", "analyses")
TRIALS = JobKind("trial", "trials")


def watch(
    connection: Connection, kind: JobKind, identity: str, seconds: float | None = None
) -> Iterator[Any]:
    """Yield an analysis or a trial now, on each change and every few seconds, until it has ended.

    Raises TimedOutError if it takes more than `seconds`, if these are given.
    """
    until = math.inf if seconds is None else time.monotonic() + seconds
    job, wait, tag = None, 0, ""
    with _hint(kind, identity):
        while True:
            answer = _ask(connection, kind, identity, wait, tag)
            tag = answer.headers.get("ETag", "")  # a proxy may remove it
            if job is None or answer.status_code != httpx.codes.NOT_MODIFIED:
                job = answer.json()
            yield job
            if job["state"] in ENDED:
                return
            left = until - time.monotonic()
            wait = math.ceil(min(left, WATCH_SECONDS))
            if left <= 0:
                raise TimedOutError(
                    f"The {kind.noun} {identity} is {job['state']} after {seconds:g} s."
                )


def read(connection: Connection, kind: JobKind, identity: str, wait: float) -> Any:
    """Return a job as it is, or when it has ended, after at most `wait` seconds."""
    job = None
    try:
        for job in watch(connection, kind, identity, wait):  # noqa: B007 - the last
            pass
    except TimedOutError as error:
        if error.phase is not None:  # the call itself took too long
            raise
    return job


def watch_upload(connection: Connection, path: str) -> Iterator[Upload]:
    """Yield an upload until it is inspected; the last is `ready` or `rejected`."""
    while True:
        upload: Upload = connection.send("GET", path, patient=True).json()
        yield upload
        if upload["state"] != "inspecting":
            return
        time.sleep(POLL_SECONDS)


def _ask(
    connection: Connection, kind: JobKind, identity: str, wait: int, tag: str
) -> httpx.Response:
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    if tag:
        headers["If-None-Match"] = tag
    return connection.send(
        "GET",
        path_of(kind.path, identity),
        patient=True,
        headers=headers,
        timeout=connection.limits.timeout(wait + connection.limits.answer),
    )


@contextmanager
def _hint(kind: JobKind, identity: str) -> Iterator[None]:
    """Add to an error how to come back, unless it says that there is no such job."""
    try:
        yield
    except (ApiError, UnreachableError) as error:
        if (
            isinstance(error, UnreachableError)
            or error.status >= httpx.codes.INTERNAL_SERVER_ERROR
            or error.may_pass
        ):
            error.hint = (
                f"The {kind.noun} {identity} goes on; come back with: narrows show {identity}"
            )
        raise
