"""The limits of an owner: those of the settings, or its own, which admins set."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.dialect import insert
from service.database.quotas import Quota
from service.settings import Settings

MOST: Final = 2**53 - 1
"""The greatest whole number that every reader of JSON understands."""
Own = Annotated[int | None, Field(ge=0, le=MOST)]


class Limits(BaseModel):
    """What holds for an owner."""

    analyses: int
    trials: int
    bytes: int
    uploads_per_day: int
    requests_per_second: int


class OwnLimits(BaseModel):
    """The limits of one owner that are other than usual; null: as the settings say."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    analyses: Own = Field(default=None, description="How many may be queued or running")
    trials: Own = Field(default=None, description="How many may be queued or running")
    bytes: Own = Field(default=None, description="The size of uploads and built networks")
    uploads_per_day: Own = Field(default=None, description="How many uploads in 24 hours")
    requests_per_second: Annotated[int | None, Field(ge=1, le=MOST)] = Field(
        default=None, description="How often each of its keys may ask, averaged over 10 seconds"
    )


def usual_limits(settings: Settings) -> Limits:
    """Return the limits of owners that have none of their own."""
    return Limits(**{name: getattr(settings, f"limit_{name}") for name in Limits.model_fields})


def own_limits(session: Session, owner: str) -> OwnLimits:
    """Return what is other than usual for an owner."""
    row = session.scalar(select(Quota).where(Quota.owner == owner))
    return OwnLimits.model_validate(row) if row else OwnLimits()


def limits_of(session: Session, settings: Settings, owner: str) -> Limits:
    """Return what holds for an owner."""
    own = own_limits(session, owner).model_dump(exclude_none=True)
    return usual_limits(settings).model_copy(update=own)


def set_limits(session: Session, owner: str, limits: OwnLimits) -> None:
    """Replace the limits of an owner that are other than usual."""
    values: dict[str, Any] = limits.model_dump()
    row = insert(session, Quota).values(owner=owner, **values)
    session.execute(row.on_conflict_do_update(index_elements=[Quota.owner], set_=values))
