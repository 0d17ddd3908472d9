"""The table of owners whose limits are other than usual."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base


class Quota(Base):
    """The limits of an owner; null: as the settings say. See `service.quotas.limits`."""

    __tablename__ = "quotas"
    owner: Mapped[str] = mapped_column(String(128), primary_key=True)
    analyses: Mapped[int | None]
    trials: Mapped[int | None]
    bytes: Mapped[int | None]
    uploads_per_day: Mapped[int | None]
    requests_per_second: Mapped[int | None]
