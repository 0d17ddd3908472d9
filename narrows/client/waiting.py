"""Waits for the end of an analysis or an inspection, also while the server is away for a while."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx

from narrows.client.errors import ApiError, TimedOutError, UnreachableError
from narrows.client.http import Connection
from narrows.client.types import Analysis, Upload
from narrows.vocabulary import ENDED

WATCH_SECONDS = 10
"""The longest wait asked of the server: no proxy gives a call up that soon."""

POLL_SECONDS = 0.2


def watch(
    connection: Connection, analysis_id: str, seconds: float | None = None
) -> Iterator[Analysis]:
    """Yield an analysis now, on each change and every few seconds, until it has ended.

    Raises TimedOutError if it takes more than `seconds`, if these are given.
    """
    until = math.inf if seconds is None else time.monotonic() + seconds
    analysis, wait, tag = None, 0, ""
    with _hint(analysis_id):
        while True:
            answer = _ask(connection, analysis_id, wait, tag)
            tag = answer.headers.get("ETag", "")  # a proxy may remove it
            if analysis is None or answer.status_code != httpx.codes.NOT_MODIFIED:
                analysis = _analysis(answer)
            yield analysis
            if analysis["state"] in ENDED:
                return
            left = until - time.monotonic()
            wait = math.ceil(min(left, WATCH_SECONDS))
            if left <= 0:
                raise TimedOutError(
                    f"The analysis {analysis_id} is {analysis['state']} after {seconds:g} s."
                )


def watch_upload(connection: Connection, path: str) -> Iterator[Upload]:
    """Yield an upload until it is inspected; the last is `ready` or `rejected`."""
    while True:
        upload: Upload = connection.send("GET", path, patient=True).json()
        yield upload
        if upload["state"] != "inspecting":
            return
        time.sleep(POLL_SECONDS)


def _ask(connection: Connection, analysis_id: str, wait: int, tag: str) -> httpx.Response:
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    if tag:
        headers["If-None-Match"] = tag
    return connection.send(
        "GET",
        f"/v1/analyses/{quote(analysis_id, safe='')}",
        patient=True,
        headers=headers,
        timeout=connection.limits.timeout(wait + connection.limits.answer),
    )


def _analysis(answer: httpx.Response) -> Analysis:
    analysis: Analysis = answer.json()
    return analysis


@contextmanager
def _hint(analysis_id: str) -> Iterator[None]:
    """Add to an error how to come back, unless it says that there is no such analysis."""
    try:
        yield
    except (ApiError, UnreachableError) as error:
        if (
            isinstance(error, UnreachableError)
            or error.status >= httpx.codes.INTERNAL_SERVER_ERROR
            or error.may_pass
        ):
            error.hint = (
                f"The analysis {analysis_id} goes on; come back with: narrows show {analysis_id}"
            )
        raise
