"""Parts in a store such as S3: an object each, which are joined when all are there."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import obstore

from service.storage.errors import as_os_error
from service.storage.parts import Part, WrongContentError, damaged
from service.storage.stored import Stored, address

if TYPE_CHECKING:
    from obstore import AsyncWritableFile

_FOLDER: Final = "uploads"
_BUFFER: Final = 8 << 20
_MOST_CHUNKS: Final = 10_000
"""So many parts may a multipart upload to S3 have."""
_AT_ONCE: Final = 2
"""How many buffers are on their way to the store; more would only need more memory."""


class PartObjects:
    """The objects of sessions; each attempt to send a part has a name of its own.

    The whole is written straight to its address, as a multipart upload of the store: a copy within
    S3 could have 5 GB at most. The caller sees to it that nobody deletes that address meanwhile.
    """

    def __init__(self, store: obstore.store.ObjectStore) -> None:
        self._store = store

    def begin(self, session: str, size: int) -> None:
        pass

    @asynccontextmanager
    async def writer(self, session: str, number: int, start: int) -> AsyncIterator["_Object"]:  # noqa: ARG002 - a part has an object of its own
        place = f"{_FOLDER}/{session}/{number}-{secrets.token_hex(8)}"
        with as_os_error():
            writer = obstore.open_writer_async(
                self._store, place, buffer_size=_BUFFER, max_concurrency=_AT_ONCE
            )
        part = _Object(writer, place)
        try:
            yield part
        except BaseException as error:
            if part.finished:
                await obstore.delete_async(self._store, place)
            else:
                await writer.__aexit__(type(error), error, error.__traceback__)
            raise

    @contextmanager
    def whole(self, session: str, parts: Sequence[Part], sha256: str) -> Iterator[Stored]:  # noqa: ARG002 - the parts know their places
        size, digest = sum(part.size for part in parts), hashlib.sha256()
        buffer = max(_BUFFER, -(-size // _MOST_CHUNKS))
        with (
            as_os_error(),
            obstore.open_writer(
                self._store, address(sha256), buffer_size=buffer, max_concurrency=_AT_ONCE
            ) as writer,
        ):
            for chunk in chain.from_iterable(obstore.get(self._store, p.place) for p in parts):
                digest.update(chunk)
                writer.write(chunk)
            if digest.hexdigest() != sha256:  # then the writer leaves nothing
                raise WrongContentError(digest.hexdigest(), damaged(parts, self._sha256))
        yield Stored(sha256, size, address(sha256))

    def discard(self, session: str) -> None:
        with as_os_error():
            for entries in obstore.list(self._store, f"{_FOLDER}/{session}"):
                obstore.delete(self._store, [entry["path"] for entry in entries])

    def sessions(self) -> Iterator[str]:
        with as_os_error():
            listed: Any = obstore.list_with_delimiter(self._store, _FOLDER)
        for prefix in listed["common_prefixes"]:
            yield str(prefix).rstrip("/").rpartition("/")[2]

    def _sha256(self, part: Part) -> str:
        digest = hashlib.sha256()
        for chunk in obstore.get(self._store, part.place):
            digest.update(chunk)
        return digest.hexdigest()


class _Object:
    """Writes one object."""

    def __init__(self, writer: "AsyncWritableFile", place: str) -> None:
        self._writer, self._place, self.finished = writer, place, False

    async def write(self, chunk: bytes | bytearray) -> None:
        with as_os_error():
            await self._writer.write(chunk)

    async def finish(self) -> str:
        with as_os_error():
            await self._writer.close()
        self.finished = True
        return self._place
