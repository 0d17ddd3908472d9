"""The columns by which owners find their things again, beside a `name`."""

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column


class Named:
    """An upload or a job; its `name` may be changed, as the tags and the metadata."""

    tags: Mapped[list[Any]] = mapped_column(default=list)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    """Free pairs, such as a git commit; SQLAlchemy itself uses the name `metadata`."""
