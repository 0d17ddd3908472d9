"""The Python client: upload, analyse, read the results.

with Client() as narrows:
    model, dataset = narrows.upload_model("net.pt2"), narrows.upload_dataset("data.npz")
    analysis = narrows.analyze(model["id"], dataset["id"], pruning_ratio=0.5)
    for analysis in narrows.watch(analysis["id"]):
        print(analysis["progress"])
    print(narrows.layers(analysis["id"]))
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, Unpack, cast
from urllib.parse import urlencode

from narrows.client.address import address_of, key_for
from narrows.client.calls import path_of
from narrows.client.errors import UnreachableError
from narrows.client.http import Connection, OnRead, OnRetry
from narrows.client.limits import Limits
from narrows.client.trials import TrialCalls
from narrows.client.types import (
    Analysis,
    Artifact,
    Layer,
    Options,
    Plan,
    Structure,
    Transform,
    Upload,
    Usage,
    Worker,
)
from narrows.client.uploads import upload
from narrows.client.waiting import ANALYSES, read, watch, watch_upload
from narrows.client.webhooks import WebhookCalls
from narrows.report.formats import FigureName, ReportFormat
from narrows.vocabulary import AnalysisState


class Client(TrialCalls, WebhookCalls):
    """A connection to a Narrows server.

    `url` defaults to `NARROWS_URL` or this machine, `api_key` to `NARROWS_API_KEY` or, on this
    machine, the key in the data folder of the embedded server, and `limits` to what environment
    variables say. Raises ConfigurationError if one of these is wrong.

    Every method raises ApiError for an answer that is an error, and UnreachableError where there
    is no answer, TimedOutError in particular. Calls are repeated after connection errors and the
    statuses 408, 429, 502, 503 and 504; a repeat never makes a second upload or analysis.
    See docs/deployment.md, "When the server is away".
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, limits: Limits | None = None
    ) -> None:
        self.url = str(address := address_of(url))
        key = key_for(address, api_key)
        self._connection = Connection(address, key, limits or Limits.of_environment())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def on_retry(self, call: OnRetry) -> None:
        """Call `call` before each repeat, with the error, how many there were, and the pause."""
        self._connection.on_retry = call

    def close(self) -> None:
        """Close the connection."""
        self._connection.http.close()

    def upload_model(self, path: str | Path, on_read: OnRead | None = None) -> Upload:
        """Upload a `.pt2` file; `on_read` is called with the number of bytes of each piece read.

        The number is negative where an upload begins again. Of a file of more than 64 MiB only the
        parts are sent that have not arrived, also those of an earlier call. Return the model, in
        the state `inspecting`; `watch_model` waits for the result. Raises OSError if the file can't
        be read.
        """
        return upload(self._connection, "models", Path(path), {}, on_read)

    def upload_dataset(
        self, path: str | Path, transform: Transform | None = None, on_read: OnRead | None = None
    ) -> Upload:
        """Upload a file of data, with its preprocessing, as `upload_model` does."""
        declared = {"transform": transform} if transform is not None else {}
        return upload(self._connection, "datasets", Path(path), declared, on_read)

    def model(self, model_id: str) -> Upload:
        """Return a model as it is."""
        return cast("Upload", self._connection.send("GET", path_of("models", model_id)).json())

    def watch_model(self, model_id: str) -> Iterator[Upload]:
        """Yield the model until it is inspected; the last is `ready` or `rejected`."""
        return watch_upload(self._connection, path_of("models", model_id))

    def watch_dataset(self, dataset_id: str) -> Iterator[Upload]:
        """Yield the dataset until it is inspected; the last is `ready` or `rejected`."""
        return watch_upload(self._connection, path_of("datasets", dataset_id))

    def analyze(self, model_id: str, dataset_id: str, **options: Unpack[Options]) -> Analysis:
        """Request an analysis; return it, queued. The server has defaults for all `options`."""
        body = {"model_id": model_id, "dataset_id": dataset_id, **options}
        headers = {"Idempotency-Key": secrets.token_hex(16)}  # the same for each repeat
        try:
            answer = self._connection.send("POST", "/v1/analyses", json=body, headers=headers)
        except UnreachableError as error:
            error.hint = "The analysis may have begun all the same; to see: narrows analyses"
            raise
        return cast("Analysis", answer.json())

    def analysis(self, analysis_id: str, wait: float = 0) -> Analysis:
        """Return an analysis as it is, or when it has ended, after at most `wait` seconds."""
        return cast("Analysis", read(self._connection, ANALYSES, analysis_id, wait))

    def analyses(
        self, limit: int | None = None, state: AnalysisState | None = None
    ) -> list[Analysis]:
        """Return the analyses, or those in a state: the newest first, at most `limit`."""
        return self._list("analyses", limit, state)

    def watch(self, analysis_id: str) -> Iterator[Analysis]:
        """Yield an analysis now, on each change and every few seconds, until it has ended."""
        return cast("Iterator[Analysis]", watch(self._connection, ANALYSES, analysis_id))

    def wait(self, analysis_id: str, seconds: float | None = None) -> Analysis:
        """Return an analysis when it has ended, which may be `failed` or `cancelled`.

        Raises TimedOutError if it takes more than `seconds`. The analysis then goes on.
        """
        *_, analysis = watch(self._connection, ANALYSES, analysis_id, seconds)
        return cast("Analysis", analysis)

    def cancel(self, analysis_id: str) -> Analysis:
        """Cancel an analysis; one that has ended stays as it is."""
        path = f"{path_of('analyses', analysis_id)}/cancel"
        return cast("Analysis", self._connection.send("POST", path).json())

    def layers(self, analysis_id: str) -> list[Layer]:
        """Return the layers of an analysis that succeeded, in the network's order."""
        return self._results(analysis_id, "layers")

    def structures(self, analysis_id: str) -> list[Structure]:
        """Return the structures (channels that are cut together), each with its saliency."""
        return self._results(analysis_id, "structures")

    def plans(self, analysis_id: str) -> list[Plan]:
        """Return the plans for wider networks, as edits of module attributes."""
        return self._results(analysis_id, "plans")

    def workers(self) -> list[Worker]:
        """Return the workers, by name, with their tasks."""
        return list(self._items("/v1/workers"))

    def usage(self) -> Usage:
        """Return what the key's owner has stored and asked for, and its limits."""
        return cast("Usage", self._connection.send("GET", "/v1/usage").json())

    def artifacts(self, analysis_id: str) -> list[Artifact]:
        """Return the networks that an analysis built, those of its option `build`."""
        return self._results(analysis_id, "artifacts")

    def download(
        self, analysis_id: str, name: str, path: str | Path, on_read: OnRead | None = None
    ) -> Path:
        """Download an artifact to `path`, or into it if that is a folder; return the file's path.

        The file appears, or is replaced, when it is complete and its SHA-256 is right. Raises
        OSError where it can't be written, or arrived damaged.
        """
        return self._download("analyses", analysis_id, name, path, on_read)

    def report(
        self,
        analysis_id: str,
        format: ReportFormat = "html",  # noqa: A002 - the API's word
        figure: FigureName | None = None,
    ) -> str:
        """Return the report of an analysis that succeeded: a page, Markdown, or a figure as SVG.

        `figure` says which for `svg`: `network`, unless it is given.
        """
        query = {"format": format} | ({"figure": figure} if figure else {})
        path = f"{path_of('analyses', analysis_id)}/report?{urlencode(query)}"

        def once() -> str:
            with self._connection.stream(path) as answer:
                return answer.read().decode()

        return self._connection.repeated(once)

    def _results(self, analysis_id: str, kind: str) -> list[Any]:
        return list(self._items(f"{path_of('analyses', analysis_id)}/{kind}"))
