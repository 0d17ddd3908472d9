"""Models and datasets: sent as files, then inspected."""

import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from narrows.client import transfer, types
from narrows.client.asynchronous.parts import upload_in_parts
from narrows.client.asynchronous.resource import AsyncResource
from narrows.client.asynchronous.runtime import sleep
from narrows.client.asynchronous.whole import upload_whole
from narrows.client.errors import FailedError, TimedOutError
from narrows.client.requests import path_of
from narrows.client.transfer import OnRead

F = TypeVar("F", types.Model, types.Dataset)

POLL_SECONDS: Final = 0.2


class AsyncFiles(AsyncResource, Generic[F]):
    """A resource of uploaded files, models or datasets."""

    _resource: ClassVar[str]
    _kind: type[F]

    async def watch(self, identity: str) -> AsyncIterator[F]:
        """Yield an upload until it is inspected; the last is `ready` or `rejected`."""
        while True:
            path = path_of(f"/v1/{self._resource}/{{}}", identity)
            answer = await self._connection.send("GET", path, patient=True)
            upload = self._kind(answer.json())
            yield upload
            if upload.state != "inspecting":
                return
            await sleep(POLL_SECONDS)

    async def wait(self, identity: str, timeout: float | None = None) -> F:
        """Return an upload when it is inspected.

        Raises FailedError if it is rejected, and TimedOutError after `timeout` seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        async for upload in self.watch(identity):
            if until is not None and upload.state == "inspecting" and time.monotonic() > until:
                raise TimedOutError(f"{identity} is not inspected after {timeout:g} s.")
        if upload.state != "ready":
            raise FailedError(f"{upload.name} ({identity}) is {upload.state}", upload.error)
        return upload

    async def _upload(
        self, path: str | Path, on_read: OnRead | None, fields: Mapping[str, Any]
    ) -> F:
        path = Path(path)
        declared: dict[str, Any] = {"filename": path.name, **fields}
        if path.stat().st_size <= transfer.LARGE:
            url = f"/v1/{self._resource}"
            return self._kind(await upload_whole(self._connection, url, declared, path, on_read))
        at_end = types.UploadCompletion.__annotations__
        completion = {name: declared.pop(name) for name in [*declared] if name in at_end}
        declared["kind"] = self._resource.removesuffix("s")
        return self._kind(
            await upload_in_parts(self._connection, declared, completion, path, on_read)
        )
