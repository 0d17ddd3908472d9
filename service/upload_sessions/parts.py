"""Receives one part of an upload: in any order, beside others, and as often as it is sent."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from service.http.dependencies import Services
from service.http.problems import (
    ChecksumError,
    InvalidError,
    NotFoundError,
    PartDiffersError,
    ProblemError,
    TooLargeError,
    UnavailableError,
    UploadEndedError,
)
from service.storage.parts import PartWriter
from service.upload_sessions import service as sessions
from service.upload_sessions.repository import UploadSessionRepository

_BATCH: Final = 1 << 20
"""Bytes that are hashed and written at once; a request needs little more memory."""


@dataclass(frozen=True)
class Expected:
    """The part that a request is to bring: its place in the file, and its SHA-256."""

    owner: str
    session: str
    number: int
    sha256: str
    start: int
    size: int

    @property
    def key(self) -> tuple[str, int]:
        return self.session, self.number


async def receive(
    request: Request, services: Services, owner: str, session: str, number: int, sha256: str
) -> None:
    """Store a part; when this returns, a crash does not lose it.

    Raises a ProblemError: 404 for no such session or part, 409 if the session has ended or the
    part came with another content, 412 for a body of another SHA-256, 413 and 422 for one of
    another size, 400 for one that ends early.
    """
    part, is_there = await run_in_threadpool(_look, services, owner, session, number, sha256)
    _require_length(request, part)
    if is_there:
        await _copy(request, part, None)
        return
    async with _writer(services, part) as writer:
        # Completing waits for writers, so a session that is open now stays so for this one.
        await run_in_threadpool(_look, services, owner, session, number, sha256)
        await _copy(request, part, writer)
        await run_in_threadpool(_record, services, part, await writer.finish())


def _look(
    services: Services, owner: str, identity: str, number: int, sha256: str
) -> tuple[Expected, bool]:
    """Return the part of an open session, and whether it has arrived before."""
    with services.reading() as session:
        row = sessions.find(session, owner, identity)
        sessions.require_open(row)
        if (bounds := row.bounds(number)) is None:
            raise NotFoundError(f"The upload has the parts 0 to {row.parts - 1}; {number} is none.")
        there = UploadSessionRepository(session).part(identity, number)
    part = Expected(owner, identity, number, sha256, *bounds)
    if there is not None:
        _require_same(part, there.sha256)
    return part, there is not None


def _require_same(part: Expected, sha256: str) -> None:
    if sha256 != part.sha256:
        raise PartDiffersError(
            f"Part {part.number} has arrived, with the SHA-256 {sha256}; it can't be replaced."
        )


def _require_length(request: Request, part: Expected) -> None:
    """Refuse a body that says itself that it has another size."""
    length = request.headers.get("content-length")
    if length is not None and int(length) != part.size:
        raise _wrong_size(part, int(length))


def _wrong_size(part: Expected, size: int) -> ProblemError:
    text = f"Part {part.number} has {part.size} bytes"
    if size > part.size:
        return TooLargeError(f"{text}; more came.", limit=part.size)
    return InvalidError([], f"{text}; only {size} came.")


@asynccontextmanager
async def _writer(services: Services, part: Expected) -> AsyncIterator[PartWriter]:
    try:
        async with services.storage.parts.writer(*part.key, part.start) as writer:
            yield writer
    except FileNotFoundError:
        raise UploadEndedError("The upload session has just ended.") from None
    except BlockingIOError:
        raise UnavailableError(
            "The upload is being completed; try again.", headers={"Retry-After": "2"}
        ) from None


async def _copy(request: Request, part: Expected, writer: PartWriter | None) -> None:
    """Write the body, in a thread, while another one hashes it; raise if it is not the part."""
    digest, size, done, chunks = hashlib.sha256(), 0, 0, list[bytes]()
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > part.size:
                raise _wrong_size(part, size)
            chunks.append(chunk)
            if size - done >= _BATCH or size == part.size:
                batch = b"".join(chunks)  # a growing bytearray would be copied again and again
                hashing = asyncio.to_thread(digest.update, batch)
                await asyncio.gather(hashing, *([writer.write(batch)] if writer else []))
                done, chunks = size, []
    except ClientDisconnect:
        raise ProblemError("The client closed the connection.") from None
    if size < part.size:
        raise _wrong_size(part, size)
    if digest.hexdigest() != part.sha256:
        raise ChecksumError(
            f"What arrived as part {part.number} has the SHA-256 {digest.hexdigest()}, "
            f"and {part.sha256} was announced."
        )


def _record(services: Services, part: Expected, place: str) -> None:
    """Note that a part has arrived, unless another request has done so."""
    with services.transaction() as session:
        row = sessions.find(session, part.owner, part.session, to_change=True)
        sessions.require_open(row)
        row.expires_at = sessions.expiry(services.settings)
        parts = UploadSessionRepository(session)
        if not parts.add_part(
            session_id=part.session,
            number=part.number,
            size=part.size,
            sha256=part.sha256,
            place=place,
        ) and (there := parts.part(*part.key)):
            _require_same(part, there.sha256)
