# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""The client's HTTP: a call returns a successful answer, or raises ApiError or UnreachableError."""

import copy
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import httpx

from narrows.client.answers import is_json, require_success
from narrows.client.errors import ApiError, UnreachableError
from narrows.client.failures import explained
from narrows.client.limits import Limits
from narrows.client.proxies import transport_to
from narrows.client.synchronous.runtime import sleep
from narrows.client.transfer import OnRetry

T = TypeVar("T")


class Connection:
    """A connection to the server at `url`, with the API key `key` (RFC 6750).

    Raises ApiError for a problem document (RFC 9457), and UnreachableError where there is no
    answer, or one that is not from Narrows. What may pass is tried again, as `limits` say.
    """

    def __init__(self, url: httpx.URL, key: str | None, limits: Limits) -> None:
        self.url, self.limits, self._has_key = url, limits, bool(key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = transport_to(url, httpx.HTTPTransport)
        self.http = httpx.Client(base_url=url, headers=headers, transport=transport)
        self.on_retry: OnRetry = lambda *_: None
        self._answered = False

    def with_limits(self, limits: Limits) -> Self:
        """Return the same connection with other limits."""
        other = copy.copy(self)
        other.limits = limits
        return other

    def send(
        self, method: str, path: str, *, patient: bool = False, **request: Any
    ) -> httpx.Response:
        """Return an answer in JSON, or without content; `request` are arguments of httpx.

        A call that is `patient` outlives a server that is away after it has answered before.
        """
        return self.repeated(lambda: self.send_once(method, path, **request), patient=patient)

    def send_once(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the answer as `send` does, without a repeat."""
        request.setdefault("timeout", self.limits.timeout(self.limits.answer))
        with explained(self.url, self.limits):
            answer = self.http.request(method, path, **request)
        self._require_success(answer)
        if answer.content and not is_json(answer):
            raise UnreachableError(f"The server at {self.url} is not Narrows.")
        return answer

    def repeated(
        self,
        once: Callable[[], T],
        *,
        patient: bool = False,
        on_retry: OnRetry | None = None,
    ) -> T:
        """Return what `once` returns, called again after errors that may pass."""
        since: float | None = None
        for repeat in itertools.count():
            try:
                return once()
            except (ApiError, UnreachableError) as error:
                since = time.monotonic() if since is None else since
                waited = time.monotonic() - since if patient and self._answered else None
                pause = self.limits.pause(error, repeat, waited)
                if pause is None:
                    raise
                (on_retry or self.on_retry)(error, repeat, pause)
            sleep(pause)
        raise AssertionError("unreachable")

    @contextmanager
    def stream(self, path: str, **request: Any) -> Iterator[httpx.Response]:
        """Yield an answer before its content is read."""
        request.setdefault("timeout", self.limits.timeout(self.limits.answer))
        with explained(self.url, self.limits):
            with self.http.stream("GET", path, **request) as answer:
                if not answer.is_success:
                    answer.read()
                self._require_success(answer)
                yield answer

    def _require_success(self, answer: httpx.Response) -> None:
        require_success(answer, has_key=self._has_key)
        self._answered = True
