"""Makes the model or dataset of an upload session whose parts have all arrived."""

import asyncio
import weakref
from contextlib import suppress
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service.database.files import FileRepository
from service.database.tables import Dataset, Model
from service.database.upload_sessions import UploadSession
from service.http.dependencies import Services
from service.http.problems import (
    ChecksumError,
    PartsMissingError,
    UnavailableError,
    UploadEndedError,
)
from service.http.security import Caller
from service.storage.parts import Part, WrongContentError
from service.storage.stored import Stored
from service.upload_sessions import service as sessions
from service.upload_sessions.repository import UploadSessionRepository
from service.uploads import adding
from service.uploads import service as uploads
from service.uploads.expiry import UploadChange

_SHOWN: Final = 100
_locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()


Made = tuple[Model | Dataset, bool]
"""A model or dataset, and whether it is new: the owner's same upload is there once."""


async def complete(
    services: Services, caller: Caller, identity: str, expires_at: datetime | None = None
) -> Made:
    """Return what the whole file has become, now or in an earlier call; it expires as is said.

    Raises a ProblemError: 404 for no such session, 409 if it was cancelled or parts are missing,
    412 if the file has another SHA-256 than was announced. Repeats wait for the first.
    """
    async with _locks.setdefault(identity, asyncio.Lock()):
        return await run_in_threadpool(_complete, services, caller, identity, expires_at)


def _complete(
    services: Services, caller: Caller, identity: str, expires_at: datetime | None
) -> Made:
    with services.transaction() as session:
        row = sessions.find(session, caller.owner, identity, to_change=True)
        if row.state == "completed":
            return _made(session, caller, row, expires_at)
        parts = _all_parts(session, row)
        FileRepository(session).hold(row.sha256, row.size)
        row.file, row.expires_at = row.sha256, sessions.expiry(services.settings)
    try:
        with services.storage.parts.whole(identity, parts, row.sha256) as file:
            made = _make(services, caller, identity, file, expires_at)
            with suppress(OSError):  # the sweeper tries again
                services.storage.parts.discard(identity)
    except WrongContentError as error:
        raise _refused(services, row, error) from None
    except FileNotFoundError:
        raise UploadEndedError("The upload session has just ended.") from None
    except BlockingIOError:
        raise UnavailableError(
            "A part of the upload is still on its way; try again.", headers={"Retry-After": "2"}
        ) from None
    return made


def _made(
    session: Session, caller: Caller, row: UploadSession, expires_at: datetime | None
) -> Made:
    kind, identity = sessions.KINDS[row.kind], row.upload_id or ""
    made: Model | Dataset = uploads.find(session, row.owner, kind, identity)
    if expires_at is not None:
        # Checked when it was sent; meanwhile it may have passed.
        asked = UploadChange.model_construct(expires_at=expires_at)
        uploads.change(session, caller, kind, identity, asked)
    return made, bool(row.upload_is_new)


def _all_parts(session: Session, row: UploadSession) -> list[Part]:
    """Return the parts of an open session; raise PartsMissingError, or UploadEndedError."""
    sessions.require_open(row)
    rows = {part.number: part for part in UploadSessionRepository(session).parts(row.id)}
    if missing := [number for number in range(row.parts) if number not in rows]:
        raise _missing(row, missing)
    return [
        Part(part.number, part.number * row.part_size, part.size, part.sha256, part.place)
        for part in rows.values()
    ]


def _missing(row: UploadSession, numbers: list[int]) -> PartsMissingError:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
    are = "is" if len(numbers) == 1 else "are"
    return PartsMissingError(
        f"Of {row.parts} parts, {len(numbers)} {are} missing: {shown}.", missing=numbers[:_SHOWN]
    )


def _make(
    services: Services,
    caller: Caller,
    identity: str,
    file: Stored,
    expires_at: datetime | None,
) -> Made:
    """Make the model or dataset and end the session, in one transaction."""
    try:
        with services.transaction() as session:
            row = sessions.find(session, caller.owner, identity, to_change=True)
            if row.state != "completed":  # by another process
                sessions.require_open(row)
                kind = sessions.KINDS[row.kind]
                made, row.upload_is_new = adding.add(
                    session, services.storage, caller, file, kind, row.columns
                )
                row.state, row.upload_id, row.file = "completed", made.id, None
            return _made(session, caller, row, expires_at)
    except BaseException:
        services.storage.discard(file)
        raise


def _refused(
    services: Services, row: UploadSession, error: WrongContentError
) -> PartsMissingError | ChecksumError:
    """Forget the parts that storage has damaged, so that they can be sent again."""
    if error.damaged:
        with services.transaction() as session:
            UploadSessionRepository(session).forget_parts(row.id, error.damaged)
        return _missing(row, list(error.damaged))
    return ChecksumError(
        f"The whole file has the SHA-256 {error.sha256}, and {row.sha256} was announced. "
        "Give this upload session up, and begin again with what the file really has."
    )
