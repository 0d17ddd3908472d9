"""The tables of upload sessions: files that come in parts."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base, utc_now


class UploadSession(Base):
    """A file that arrives in parts, and then becomes a model or a dataset.

    States: `open → completed | cancelled`. At `expires_at` the session is forgotten, whatever its
    state; each part that arrives puts that off.
    """

    __tablename__ = "upload_sessions"
    __table_args__ = (UniqueConstraint("owner", "idempotency_key"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128), index=True)
    state: Mapped[str] = mapped_column(String(16), default="open")
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    part_size: Mapped[int]
    declared: Mapped[dict[str, Any]]
    """The further columns of the model or dataset, such as its tags or a transform."""
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    file: Mapped[str | None] = mapped_column(ForeignKey("files.sha256"), index=True)
    """Set once the session is being completed: nobody deletes what may be at the file's address."""
    upload_id: Mapped[str | None] = mapped_column(String(32))
    """The model or dataset that it became."""
    upload_is_new: Mapped[bool | None]
    """Whether that was made then, or was the same upload that the owner had already."""

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part_size)

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the model or dataset that are known from the beginning."""
        without = {"filename": self.name, "tags": [], "metadata_": {}}
        return {"name": self.name, **without, **self.declared}

    @property
    def transform(self) -> dict[str, Any] | None:
        transform: dict[str, Any] | None = self.declared.get("transform")
        return transform

    def bounds(self, number: int) -> tuple[int, int] | None:
        """Return the first byte and the size of a part; None if there is no such part."""
        start = number * self.part_size
        return (start, min(self.part_size, self.size - start)) if start < self.size else None


class UploadPart(Base):
    """A part that has arrived and is safely stored."""

    __tablename__ = "upload_parts"
    session_id: Mapped[str] = mapped_column(
        ForeignKey("upload_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(128))
    """Where storage has it."""
