"""The columns by which owners find their things again, beside a `name`, and the index for lists."""

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column


def newest_of_owner() -> Index:
    """Return the index that gives an owner's rows from the newest on, as lists show them."""
    return Index(None, "owner", "created_at", "id")


class Named:
    """An upload or a job; its `name` may be changed, as the tags and the metadata."""

    tags: Mapped[list[Any]] = mapped_column(default=list)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    """Free pairs, such as a git commit; SQLAlchemy itself uses the name `metadata`."""
