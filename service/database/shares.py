"""The tables of fair queueing; see docs/architecture.md, "Whose work is next"."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base


class Queue(Base):
    """A queue of work; its row is the lock under which workers claim from it, one at a time."""

    __tablename__ = "queues"
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    virtual_time: Mapped[float] = mapped_column(default=0.0)
    """The start tag of the piece that was claimed last, in seconds of work."""


class Share(Base):
    """What an owner has had of a queue, in seconds of work."""

    __tablename__ = "shares"
    queue: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128), primary_key=True)
    finish: Mapped[float] = mapped_column(default=0.0)
    """The finish tag of its last piece: its next one starts no earlier, in virtual time."""
    owed: Mapped[float] = mapped_column(default=0.0)
    """What its trainings are due, since its other work went first."""
    seconds: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """For each task, what a piece of it took lately."""
