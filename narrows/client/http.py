"""The client's HTTP: a call returns a successful answer, or raises ApiError or UnreachableError."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from narrows.client.errors import ApiError, UnreachableError
from narrows.client.failures import explained
from narrows.client.limits import Limits
from narrows.client.proxies import transport_to

T = TypeVar("T")

OnRead = Callable[[int], object]
"""Called with the number of bytes of each piece; negative where a transfer begins again."""

OnRetry = Callable[[ApiError | UnreachableError, int, float], object]
"""Called before a repeat with the error, the number of repeats before, and the pause in seconds."""


class Connection:
    """A connection to the server at `url`, with the API key `key` (RFC 6750).

    Raises ApiError for a problem document (RFC 9457), and UnreachableError where there is no
    answer, or one that is not from Narrows. What may pass is tried again, as `limits` say.
    """

    def __init__(self, url: httpx.URL, key: str | None, limits: Limits) -> None:
        self.url, self.limits, self._has_key = url, limits, bool(key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=limits.timeout(limits.answer),
            transport=transport_to(url, httpx.HTTPTransport),
        )
        self.on_retry: OnRetry = lambda *_: None
        self._answered = False

    def send(
        self, method: str, path: str, *, patient: bool = False, **request: Any
    ) -> httpx.Response:
        """Return an answer in JSON, or without content; `request` are arguments of httpx.

        A call that is `patient` outlives a server that is away after it has answered before.
        """
        return self.repeated(lambda: self.send_once(method, path, **request), patient=patient)

    def send_once(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the answer as `send` does, without a repeat."""
        with explained(self.url, self.limits):
            answer = self.http.request(method, path, **request)
        self._require_success(answer)
        if answer.content and not _is_json(answer):
            raise UnreachableError(f"The server at {self.url} is not Narrows.")
        return answer

    def repeated(
        self, once: Callable[[], T], *, patient: bool = False, on_retry: OnRetry | None = None
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
            time.sleep(pause)
        raise AssertionError("unreachable")

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """Yield an answer before its content is read."""
        with explained(self.url, self.limits), self.http.stream("GET", path) as answer:
            if not answer.is_success:
                answer.read()
            self._require_success(answer)
            yield answer

    def _require_success(self, answer: httpx.Response) -> None:
        if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
            self._answered = True
            return
        document = _document(answer)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            detail = "Set NARROWS_API_KEY; `narrows keys create` makes keys."
            if self._has_key:
                detail = f"{document.get('detail') or ''} Check NARROWS_API_KEY.".lstrip()
            document["detail"] = detail
        raise ApiError.of(answer.status_code, document, _retry_after(answer))


def _is_json(answer: httpx.Response) -> bool:
    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        return False
    try:
        answer.json()
    except ValueError:
        return False
    return True


def _document(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document; from another text, such as of a proxy, one with its start."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"detail": answer.text.strip()[:200]}


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds in `Retry-After` (RFC 9110), also from a date; None if there are none."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000": UTC
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
