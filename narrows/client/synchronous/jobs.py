# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""Waits for the end of an analysis or a trial, also while the server is away for a while."""

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

import httpx

from narrows.client.errors import TimedOutError, coming_back
from narrows.client.requests import path_of
from narrows.client.synchronous.bound import Analysis, Trial
from narrows.client.synchronous.resource import Resource

if TYPE_CHECKING:
    from narrows.client.synchronous.resources import Resources

J = TypeVar("J", Analysis, Trial)

WATCH_SECONDS: Final = 10
"""The longest wait asked of the server: no proxy gives a call up that soon."""


class Jobs(Resource, Generic[J]):
    """A resource of jobs, analyses or trials."""

    _resource: ClassVar[str]
    _kind: type[J]

    def __init__(self, client: "Resources") -> None:
        super().__init__(client)
        noun, listed = self._kind.noun, self._resource
        self._hint = f"The {noun} may have begun all the same; to see: narrows {listed}"

    def watch(self, identity: str, timeout: float | None = None) -> Iterator[J]:
        """Yield a job now, on each change and every few seconds, until it has ended.

        Raises TimedOutError if it takes more than `timeout` seconds. The job then goes on.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        job, wait, tag = None, 0, ""
        with coming_back(self._kind.noun, identity):
            while True:
                answer = self._asked(identity, wait, tag)
                tag = answer.headers.get("ETag", "")  # a proxy may remove it
                if job is None or answer.status_code != httpx.codes.NOT_MODIFIED:
                    job = self._made(self._kind)(answer.json())
                yield job
                if job.has_ended:
                    return
                left = until - time.monotonic()
                wait = math.ceil(min(left, WATCH_SECONDS))
                if left <= 0:
                    said = f"The {job.noun} {identity} is {job.state} after {timeout:g} s."
                    raise TimedOutError(said)

    def wait(self, identity: str, timeout: float | None = None) -> J:
        """Return a job when it has ended, which may be `failed` or `cancelled`.

        Raises TimedOutError if it takes more than `timeout` seconds. The job then goes on.
        """
        for job in self.watch(identity, timeout):  # noqa: B007 - the last
            pass
        return job

    def _asked(self, identity: str, wait: int, tag: str) -> httpx.Response:
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        if tag:
            headers["If-None-Match"] = tag
        limits = self._connection.limits
        return self._connection.send(
            "GET",
            path_of(f"/v1/{self._resource}/{{}}", identity),
            patient=True,
            headers=headers,
            timeout=limits.timeout(wait + limits.answer),
        )
