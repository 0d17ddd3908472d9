"""The Python client: upload, analyse, read the results.

with Client() as narrows:
    model = narrows.upload_model("net.pt2")
    dataset = narrows.upload_dataset("data.npz")
    analysis = narrows.analyze(model["id"], dataset["id"], pruning_ratio=0.5)
    for analysis in narrows.watch(analysis["id"]):
        print(analysis["progress"])
    print(narrows.layers(analysis["id"]))
"""

import errno
import hashlib
import io
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, Unpack, cast
from urllib.parse import quote

import httpx

from narrows.client.http import TIMEOUT_SECONDS, Connection
from narrows.client.types import (
    Analysis,
    Artifact,
    Layer,
    Options,
    Plan,
    Structure,
    Transform,
    Upload,
    Worker,
)
from narrows.vocabulary import ENDED

DEFAULT_URL = "http://127.0.0.1:8000"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
WATCH_SECONDS = 10
POLL_SECONDS = 0.2


class Client:
    """A connection to a Narrows server.

    `url` defaults to `NARROWS_URL` or this machine, `api_key` to `NARROWS_API_KEY` or, on this
    machine, the key in the data folder of the embedded server. Every method raises ApiError for an
    answer that is an error, and UnreachableError where there is no answer.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None) -> None:
        self.url = (url or os.environ.get("NARROWS_URL") or DEFAULT_URL).rstrip("/")
        key = api_key or os.environ.get("NARROWS_API_KEY")
        if not key and httpx.URL(self.url).host in LOOPBACK:  # other servers must not get it
            key = _embedded_key()
        self._connection = Connection(self.url, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.http.close()

    def upload_model(
        self, path: str | Path, on_read: Callable[[int], object] | None = None
    ) -> Upload:
        """Upload a `.pt2` file; `on_read` is called with the number of bytes of each piece read.

        Return the model, in the state `inspecting`; `watch_model` waits for the result. Raises
        OSError if the file can't be read.
        """
        return self._upload("models", path, {}, on_read)

    def upload_dataset(
        self,
        path: str | Path,
        transform: Transform | None = None,
        on_read: Callable[[int], object] | None = None,
    ) -> Upload:
        """Upload an `.npz` file of `x` and `y`, with its preprocessing, as `upload_model` does."""
        fields = {} if transform is None else {"transform": json.dumps(transform)}
        return self._upload("datasets", path, fields, on_read)

    def watch_model(self, model_id: str) -> Iterator[Upload]:
        """Yield the model until it is inspected; the last is `ready` or `rejected`."""
        return self._watch_upload(f"/v1/models/{model_id}")

    def watch_dataset(self, dataset_id: str) -> Iterator[Upload]:
        """Yield the dataset until it is inspected; the last is `ready` or `rejected`."""
        return self._watch_upload(f"/v1/datasets/{dataset_id}")

    def analyze(self, model_id: str, dataset_id: str, **options: Unpack[Options]) -> Analysis:
        """Request an analysis; return it, queued. The server has defaults for all `options`."""
        body = {"model_id": model_id, "dataset_id": dataset_id, **options}
        return cast("Analysis", self._connection.send("POST", "/v1/analyses", json=body).json())

    def analysis(self, analysis_id: str, wait: int = 0) -> Analysis:
        """Return an analysis as it is, or when it has ended, after at most `wait` seconds."""
        return cast("Analysis", self._analysis(analysis_id, wait, None).json())

    def watch(self, analysis_id: str) -> Iterator[Analysis]:
        """Yield an analysis now, on each change and every few seconds, until it has ended."""
        answer = self._analysis(analysis_id, 0, None)
        while True:
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                analysis: Analysis = answer.json()
            yield analysis
            if analysis["state"] in ENDED:
                return
            answer = self._analysis(analysis_id, WATCH_SECONDS, answer.headers["ETag"])

    def cancel(self, analysis_id: str) -> Analysis:
        """Cancel an analysis; one that has ended stays as it is."""
        return cast(
            "Analysis", self._connection.send("POST", f"/v1/analyses/{analysis_id}/cancel").json()
        )

    def layers(self, analysis_id: str) -> list[Layer]:
        """Return the layers of an analysis that succeeded, in the network's order."""
        return list(self._items(f"/v1/analyses/{analysis_id}/layers"))

    def structures(self, analysis_id: str) -> list[Structure]:
        """Return the structures (channels that are cut together), each with its saliency."""
        return list(self._items(f"/v1/analyses/{analysis_id}/structures"))

    def plans(self, analysis_id: str) -> list[Plan]:
        """Return the plans for wider networks, as edits of module attributes."""
        return list(self._items(f"/v1/analyses/{analysis_id}/plans"))

    def workers(self) -> list[Worker]:
        """Return the workers, by name, with their tasks."""
        return list(self._items("/v1/workers"))

    def artifacts(self, analysis_id: str) -> list[Artifact]:
        """Return the networks that an analysis built, those of its option `build`."""
        return list(self._items(f"/v1/analyses/{analysis_id}/artifacts"))

    def download(
        self,
        analysis_id: str,
        name: str,
        path: str | Path,
        on_read: Callable[[int], object] | None = None,
    ) -> Path:
        """Download an artifact to `path`, or into it if that is a folder; return the file's path.

        The file appears, or is replaced, when it is complete and its SHA-256 is right. Raises
        OSError where it can't be written, or arrived damaged.
        """
        target = Path(path)
        if target.is_dir():
            target /= Path(name).name
        partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        url = f"/v1/analyses/{analysis_id}/artifacts/{quote(name, safe='')}"
        digest = hashlib.sha256()
        try:
            with self._connection.stream(url) as answer, partial.open("wb") as file:
                for chunk in answer.iter_bytes():
                    digest.update(chunk)
                    file.write(chunk)
                    if on_read is not None:
                        on_read(len(chunk))
            tag = answer.headers.get("ETag", "").removeprefix("W/")  # a compressing proxy adds it
            if tag != f'"{digest.hexdigest()}"':
                raise OSError(errno.EIO, "What arrived is not what was built", name)
            return partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _analysis(self, analysis_id: str, wait: int, tag: str | None) -> httpx.Response:
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        if tag is not None:
            headers["If-None-Match"] = tag
        return self._connection.send(
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
            answer = self._connection.send("POST", f"/v1/{kind}", data=fields, files=parts)
        return cast("Upload", answer.json())

    def _watch_upload(self, path: str) -> Iterator[Upload]:
        while True:
            upload: Upload = self._connection.send("GET", path).json()
            yield upload
            if upload["state"] != "inspecting":
                return
            time.sleep(POLL_SECONDS)

    def _items(self, path: str) -> Iterator[Any]:
        page = {"next_page_token": ""}
        while (token := page["next_page_token"]) is not None:
            parameters = {"page_token": token} if token else {}
            page = self._connection.send("GET", path, params=parameters).json()
            yield from page["items"]


class _Read(io.FileIO):
    """A file that calls `on_read` for each piece that httpx reads."""

    def __init__(self, path: str | Path, on_read: Callable[[int], object] | None) -> None:
        super().__init__(path)
        self._on_read = on_read

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size) or b""
        if self._on_read is not None:
            self._on_read(len(chunk))
        return chunk


def _embedded_key() -> str | None:
    """Return the key of this machine's embedded server, if it has one."""
    folder = os.environ.get("NARROWS_DATA")
    if not folder:
        try:
            from platformdirs import user_data_path
        except ImportError:  # it comes with the server
            return None
        folder = str(user_data_path("narrows"))
    path = Path(folder).expanduser() / "api-key"
    return path.read_text().strip() if path.exists() else None
