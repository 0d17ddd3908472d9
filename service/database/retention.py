"""The table of owners whose uploads, results or artifacts are kept for another time than usual."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base


class Retention(Base):
    """For how many days an owner's things are kept; null: as the settings say."""

    __tablename__ = "retention"
    owner: Mapped[str] = mapped_column(String(128), primary_key=True)
    uploads: Mapped[float | None]
    results: Mapped[float | None]
    artifacts: Mapped[float | None]
