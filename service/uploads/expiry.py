"""What goes out of uploads, with the time when they expire: as their owner says, or retention."""

from datetime import datetime
from typing import Final, TypeVar

from fastapi import Response
from pydantic import Field, TypeAdapter
from sqlalchemy.orm import Session

from service.database.tables import Dataset, Model
from service.http.dependencies import Services, keep_of
from service.http.moments import Expiry
from service.http.pagination import Slice
from service.http.problems import ExpiredError
from service.naming.schemas import NamingChange
from service.uploads.repository import U
from service.uploads.schemas import UploadOut

O = TypeVar("O", bound=UploadOut)  # noqa: E741


EXPIRY: Final[TypeAdapter[datetime]] = TypeAdapter(Expiry)


class UploadChange(NamingChange):
    """What can be changed of an upload; what is left out stays as it is."""

    expires_at: Expiry | None = Field(
        default=None, description="When it expires; null: as the server's retention says"
    )


def describe(session: Session, row: Model | Dataset, schema: type[O]) -> O:
    """Return what goes out of an upload, with the time when it expires."""
    until = keep_of(session, row.owner).upload_until(row.uploaded_at, row.expires_at)
    return schema.model_validate(row).model_copy(update={"expires_at": until})


def answer(
    services: Services,
    response: Response,
    prefix: str,
    made: tuple[Model | Dataset, bool],
    schema: type[O],
) -> O:
    """Return what goes out of an upload that has just come, and whether it is new.

    A new one is at `Location`. One that was there already is answered with 200, and its path is in
    `Content-Location` (RFC 9110, section 8.7).
    """
    row, is_new = made
    if not is_new:
        response.status_code = 200
    response.headers["Location" if is_new else "Content-Location"] = f"{prefix}/{row.id}"
    with services.reading() as session:
        return describe(session, row, schema)


def describe_page(session: Session, page: Slice[U], schema: type[O]) -> Slice[O]:
    """Return what goes out of a page of uploads."""
    return Slice([describe(session, row, schema) for row in page.items], page.next_page_token)


def require_kept(row: Model | Dataset, noun: str) -> None:
    """Raise ExpiredError if the upload's file is gone."""
    if row.state == "expired":
        raise ExpiredError(f"The {noun} {row.id} has expired; upload it again.")
