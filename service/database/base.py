"""What all tables share: column types, ids, and the columns of work that workers lease."""

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Double,
    Integer,
    MetaData,
    String,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.database.clock import epoch_now

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def new_id(prefix: str) -> str:
    """Make an opaque id such as `mdl_3fa1…`: the prefix names the kind, 96 random bits the rest."""
    return f"{prefix}_{secrets.token_hex(12)}"


def utc_now() -> datetime:
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone; SQLite stores no zone, so times are written and read as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        dict[str, Any]: Json,
        list[Any]: Json,
        datetime: UtcDateTime,
        float: Double,
        int: BigInteger().with_variant(Integer(), "sqlite"),  # it increments only INTEGER keys
    }


class Leased:
    """Work that one worker at a time holds a lease on; see docs/architecture.md, "Jobs".

    `token` is the fencing token: a commit with the token of a lost lease changes nothing. Times are
    seconds since the epoch on the database's clock, so workers' clocks don't matter.
    """

    state: Mapped[str] = mapped_column(String(16), index=True)
    token: Mapped[str | None] = mapped_column(String(32))
    leased_by: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[float | None]
    attempt: Mapped[int] = mapped_column(default=0)
    waits_from: Mapped[float] = mapped_column(default=epoch_now())
    """Since when it waits for a worker; later than now where nobody may take it before."""
    error: Mapped[dict[str, Any] | None]
    """A problem document (RFC 9457): why the work failed or the upload was rejected."""
