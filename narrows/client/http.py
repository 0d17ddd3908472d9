"""The client's HTTP: a call returns a successful answer, or raises ApiError or UnreachableError."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from narrows.client.errors import ApiError, UnreachableError

TIMEOUT_SECONDS = 60.0


class Connection:
    """A connection to the server at `url`, with the API key `key` (RFC 6750).

    Raises ApiError for a problem document (RFC 9457), and UnreachableError where there is no
    answer, or one that is not from Narrows.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self.url, self._has_key = url, bool(key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return an answer in JSON, or without content; `request` are arguments of httpx."""
        with self._explained():
            answer = self.http.request(method, path, **request)
        self._require_success(answer)
        if answer.content and not answer.headers["Content-Type"].startswith("application/json"):
            raise UnreachableError(f"The server at {self.url} is not Narrows.")
        return answer

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """Yield an answer before its content is read."""
        with self._explained(), self.http.stream("GET", path) as answer:
            if not answer.is_success:
                answer.read()
            self._require_success(answer)
            yield answer

    def _require_success(self, answer: httpx.Response) -> None:
        if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
            return
        document = _document(answer)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            detail = "Set NARROWS_API_KEY; `narrows keys create` makes keys."
            if self._has_key:
                detail = f"{document.get('detail') or ''} Check NARROWS_API_KEY.".lstrip()
            document["detail"] = detail
        raise ApiError(answer.status_code, document)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError:
            raise UnreachableError(
                f"No Narrows server at {self.url}. Start one with: narrows up"
            ) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"The server at {self.url} gave no answer: {reason}") from error


def _document(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document; from another text, such as of a proxy, one with its start."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"detail": answer.text.strip()[:200]}
