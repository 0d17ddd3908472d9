"""The Python client: upload, analyse, read the results.

with Client() as narrows:
    model = narrows.upload_model("net.pt2")
    dataset = narrows.upload_dataset("data.npz")
    analysis = narrows.analyze(model["id"], dataset["id"], pruning_ratio=0.5)
    for analysis in narrows.watch(analysis["id"]):
        print(analysis["progress"])
    print(narrows.layers(analysis["id"]))
"""

import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, Unpack, cast

import httpx

from service.client_types import Analysis, Layer, Options, Plan, Structure, Transform, Upload
from service.settings import Settings

DEFAULT_URL = "http://127.0.0.1:8000"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ENDED = frozenset({"succeeded", "failed", "cancelled"})
WATCH_SECONDS = 10
POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 60.0


class ApiError(Exception):
    """An answer that is a problem document (RFC 9457), with its members."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(document.get("type") or "about:blank")
        self.title = str(document.get("title") or f"HTTP status {status}")
        self.detail: str | None = document.get("detail")
        self.errors: list[dict[str, Any]] = document.get("errors") or []
        super().__init__(status, document)

    def __str__(self) -> str:
        fields = [f"{error.get('pointer') or '/'}: {error.get('detail')}" for error in self.errors]
        return f"{self.title}: {'; '.join(fields) or self.detail or self.type}"


class UnreachableError(Exception):
    """The server can't be reached, or went away in the middle."""


class Client:
    """A connection to a Narrows server.

    `url` defaults to `NARROWS_URL` or this machine, `api_key` to `NARROWS_API_KEY` or, on this
    machine, the key that the embedded server keeps in its data folder. Every method raises
    ApiError for an answer that is an error, and UnreachableError where there is none.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None) -> None:
        self.url = (url or os.environ.get("NARROWS_URL") or DEFAULT_URL).rstrip("/")
        key = api_key or os.environ.get("NARROWS_API_KEY")
        if not key and httpx.URL(self.url).host in LOOPBACK:  # it is nobody else's business
            key = _embedded_key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def upload_model(
        self, path: str | Path, on_read: Callable[[int], object] | None = None
    ) -> Upload:
        """Upload a `.pt2` file; `on_read` hears of every piece read, how many bytes it has.

        Returns the model, which is `inspecting`: `watch_model` tells what came out. Raises OSError
        if the file can't be read.
        """
        return self._upload("models", path, {}, on_read)

    def upload_dataset(
        self,
        path: str | Path,
        transform: Transform | None = None,
        on_read: Callable[[int], object] | None = None,
    ) -> Upload:
        """Upload an `.npz` file of `x` and `y`, with its preprocessing; else as `upload_model`."""
        fields = {} if transform is None else {"transform": json.dumps(transform)}
        return self._upload("datasets", path, fields, on_read)

    def watch_model(self, model_id: str) -> Iterator[Upload]:
        """Yield the model until it has been inspected, at last `ready` or `rejected`."""
        return self._watch_upload(f"/v1/models/{model_id}")

    def watch_dataset(self, dataset_id: str) -> Iterator[Upload]:
        """Yield the dataset until it has been inspected, at last `ready` or `rejected`."""
        return self._watch_upload(f"/v1/datasets/{dataset_id}")

    def analyze(self, model_id: str, dataset_id: str, **options: Unpack[Options]) -> Analysis:
        """Ask for an analysis; return it, queued. The server has defaults for all `options`."""
        body = {"model_id": model_id, "dataset_id": dataset_id, **options}
        return cast("Analysis", self._send("POST", "/v1/analyses", json=body).json())

    def analysis(self, analysis_id: str, wait: int = 0) -> Analysis:
        """Return an analysis as it is, or once it has ended, or `wait` seconds are over."""
        return cast("Analysis", self._analysis(analysis_id, wait, None).json())

    def watch(self, analysis_id: str) -> Iterator[Analysis]:
        """Yield an analysis now, on every change and after some seconds, at last as it ended."""
        answer = self._analysis(analysis_id, 0, None)
        while True:
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                analysis: Analysis = answer.json()
            yield analysis
            if analysis["state"] in ENDED:
                return
            answer = self._analysis(analysis_id, WATCH_SECONDS, answer.headers["ETag"])

    def cancel(self, analysis_id: str) -> Analysis:
        """Call an analysis off; one that has ended stays as it is."""
        return cast("Analysis", self._send("POST", f"/v1/analyses/{analysis_id}/cancel").json())

    def layers(self, analysis_id: str) -> list[Layer]:
        """Return the layers of an analysis that succeeded, in the network's order."""
        return list(self._items(f"/v1/analyses/{analysis_id}/layers"))

    def structures(self, analysis_id: str) -> list[Structure]:
        """Return the structures (channels that are cut together), each with its saliency."""
        return list(self._items(f"/v1/analyses/{analysis_id}/structures"))

    def plans(self, analysis_id: str) -> list[Plan]:
        """Return the plans for wider networks, as edits of module attributes."""
        return list(self._items(f"/v1/analyses/{analysis_id}/plans"))

    def _analysis(self, analysis_id: str, wait: int, tag: str | None) -> httpx.Response:
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        if tag is not None:
            headers["If-None-Match"] = tag
        return self._send(
            "GET", f"/v1/analyses/{analysis_id}", headers=headers, timeout=wait + TIMEOUT_SECONDS
        )

    def _upload(
        self,
        kind: str,
        path: str | Path,
        fields: dict[str, str],
        on_read: Callable[[int], object] | None,
    ) -> Upload:
        with _Read(path, on_read) as file:
            parts = {"file": (Path(path).name, file)}
            answer = self._send("POST", f"/v1/{kind}", data=fields, files=parts)
        return cast("Upload", answer.json())

    def _watch_upload(self, path: str) -> Iterator[Upload]:
        while True:
            upload: Upload = self._send("GET", path).json()
            yield upload
            if upload["state"] != "inspecting":
                return
            time.sleep(POLL_SECONDS)

    def _items(self, path: str) -> Iterator[Any]:
        page = {"next_page_token": ""}
        while (token := page["next_page_token"]) is not None:
            parameters = {"page_token": token} if token else {}
            page = self._send("GET", path, params=parameters).json()
            yield from page["items"]

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.ConnectError:
            raise UnreachableError(
                f"No Narrows server at {self.url}. Start one with: narrows up"
            ) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"The server at {self.url} gave no answer: {reason}") from error
        if not answer.is_success and answer.status_code != httpx.codes.NOT_MODIFIED:
            raise ApiError(answer.status_code, _document(answer))
        if answer.content and not answer.headers["Content-Type"].startswith("application/json"):
            raise UnreachableError(f"What answers at {self.url} is not Narrows.")
        return answer


class _Read(io.FileIO):
    """A file that tells how far it has been read; httpx takes it piece by piece."""

    def __init__(self, path: str | Path, on_read: Callable[[int], object] | None) -> None:
        super().__init__(path)
        self._on_read = on_read

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size) or b""
        if self._on_read is not None:
            self._on_read(len(chunk))
        return chunk


def _embedded_key() -> str | None:
    path = Settings().data.expanduser() / "api-key"
    return path.read_text().strip() if path.exists() else None


def _document(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document; a proxy in between may answer in its own words."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"detail": answer.text.strip()[:200]}
