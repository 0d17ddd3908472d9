"""Times in requests."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

from service.database.base import utc_now

LONGEST: Final = timedelta(days=36_525)
"""Who adds a lifetime to a time stays within the years that there are."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("It is outside of the years 1 to 9999.") from None


def _in_future(moment: datetime) -> datetime:
    if moment <= utc_now():
        raise ValueError("It must be in the future.")
    if moment > utc_now() + LONGEST:
        raise ValueError("It must be within a hundred years.")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Expiry = Annotated[Moment, AfterValidator(_in_future)]
