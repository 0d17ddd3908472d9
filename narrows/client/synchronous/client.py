# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""The synchronous client: upload, analyse, read the results."""

import copy
import re
from pathlib import Path
from typing import Self, Unpack

from narrows.client.address import address_of, key_for
from narrows.client.errors import FailedError
from narrows.client.limits import Limits
from narrows.client.synchronous.bound import Analysis
from narrows.client.synchronous.connection import Connection
from narrows.client.synchronous.resources import Datasets, Models, Resources
from narrows.client.transfer import OnRetry
from narrows.client.types import AnalysisOptions

ID = re.compile(r"[a-z]{3}_[0-9a-f]{24}")


class Client(Resources):
    """A client of a Narrows server; `models`, `datasets`, `analyses` and so on are its resources.

    `url` defaults to `NARROWS_URL` or this machine, `api_key` to `NARROWS_API_KEY` or, on this
    machine, the key in the data folder of the embedded server. `timeout` are the seconds in which
    an answer must come, `retries` how often a call is repeated; `limits` has them and all others,
    and defaults to what environment variables say. Raises ConfigurationError if one is wrong.

    Every method raises ApiError for an answer that is an error, in particular NotFoundError and
    so on by its status, and UnreachableError where there is no answer, TimedOutError in
    particular. Calls are repeated after connection errors and the statuses 408, 429, 502, 503 and
    504; a repeat never makes a second upload or analysis. See docs/client.md.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.url = str(address := address_of(url))
        key = key_for(address, api_key)
        limits = (limits or Limits.of_environment()).with_some(timeout, retries)
        self._connection = Connection(address, key, limits)
        super().__init__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.http.close()

    def with_options(self, *, timeout: float | None = None, retries: int | None = None) -> Self:
        """Return a client with other limits that shares the connection: for a call, say."""
        other = copy.copy(self)
        limits = self._connection.limits.with_some(timeout, retries)
        other._connection = self._connection.with_limits(limits)
        Resources.__init__(other)
        return other

    def on_retry(self, call: OnRetry) -> None:
        """Call `call` before each repeat, with the error, how many there were, and the pause."""
        self._connection.on_retry = call

    def analyze(
        self, model: str | Path, dataset: str | Path, **options: Unpack[AnalysisOptions]
    ) -> Analysis:
        """Upload two files, or take ids; analyse them, and return the analysis at its end.

        Raises FailedError where a file is rejected, or the analysis fails or is cancelled.
        """
        model_id = self._ready(self.models, model)
        dataset_id = self._ready(self.datasets, dataset)
        begun = self.analyses.create(model_id=model_id, dataset_id=dataset_id, **options)
        analysis = begun.wait()
        if analysis.state != "succeeded":
            raise FailedError(f"{analysis.id} is {analysis.state}", analysis.error)
        return analysis

    def _ready(self, files: Models | Datasets, source: str | Path) -> str:
        """Return the id of an upload that is ready."""
        if isinstance(source, str) and ID.fullmatch(source):
            return source
        uploaded = files.upload(source)
        return (files.wait(uploaded.id)).id
