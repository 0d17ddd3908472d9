"""Keyset pagination: a token names the last item of a page, so inserts and deletes shift none."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, Protocol, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from service.http.ids import PATTERN
from service.http.problems import InvalidError


class Aged(Protocol):
    """A row with the time of its creation."""

    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


T = TypeVar("T")
K = TypeVar("K")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_SECOND = 253402300799  # of the year 9999

PageSize = Annotated[int, Query(ge=1, le=1000, description="The largest number of items")]
PageToken = Annotated[
    str | None, Query(max_length=500, description="The `next_page_token` of the previous page")
]

ByIndex: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)])
ByName: TypeAdapter[str] = TypeAdapter(
    Annotated[str, Field(strict=True, max_length=128, pattern=r"^[^\x00]+$")]
)
ByAge: TypeAdapter[tuple[int, str]] = TypeAdapter(
    tuple[
        Annotated[int, Field(strict=True, ge=0, le=_LAST_SECOND * 10**6)],
        Annotated[str, Field(pattern=PATTERN)],
    ]
)


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    model_config = ConfigDict(from_attributes=True)

    items: list[T] = Field(description="The items of this page")
    next_page_token: str | None = Field(description="Pass as `page_token`; null on the last page")


@dataclass(frozen=True)
class Slice(Generic[T]):
    """The rows of a `Page`, and the token of the next page."""

    items: Sequence[T]
    next_page_token: str | None


def first_page(rows: Sequence[T], page_size: int, key: Callable[[T], Any]) -> Slice[T]:
    """Return the first `page_size` of `rows`, and a token made from the `key` of the last one.

    Query `page_size + 1` rows: the extra row shows that there is a next page.
    """
    if len(rows) <= page_size:
        return Slice(rows, None)
    token = base64.urlsafe_b64encode(to_json(key(rows[page_size - 1]))).decode().rstrip("=")
    return Slice(rows[:page_size], token)


def decode_token(token: str | None, key: TypeAdapter[K]) -> K | None:
    """Return the key in `token`; raise InvalidError if it can't be a token of this list."""
    if token is None:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        return key.validate_json(text)
    except (binascii.Error, ValueError, ValidationError):
        raise InvalidError(
            ["page_token"],
            "This is no page token of this list; pass `next_page_token` of the previous page.",
            where="query",
        ) from None


def age_key(row: Aged) -> tuple[int, str]:
    """Return the key of a row in a list ordered by age, for `ByAge`."""
    return (row.created_at - _EPOCH) // _MICROSECOND, row.id


def decode_age(token: str | None) -> tuple[datetime, str] | None:
    """Return the time and id in the token of a list ordered by age; raise InvalidError."""
    key = decode_token(token, ByAge)
    return (_EPOCH + key[0] * _MICROSECOND, key[1]) if key else None
