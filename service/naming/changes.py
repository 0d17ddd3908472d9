"""Changes the tags and the metadata of a row."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.database.naming import Named
from service.http.problems import InvalidError
from service.naming.schemas import MOST_PAIRS, MOST_TAGS, NamingChange, without_repeats


def change(row: Named, asked: NamingChange) -> None:
    """Change tags and metadata as a merge patch says; raise InvalidError if they become too many.

    The name is the caller's: an upload always has one.
    """
    if "tags" in asked.model_fields_set:
        row.tags = asked.tags or []
    if asked.metadata is not None:
        _set_metadata(row, {**row.metadata_, **asked.metadata})
    elif "metadata" in asked.model_fields_set:
        row.metadata_ = {}


def add(row: Named, tags: Iterable[str], metadata: Mapping[str, Any]) -> None:
    """Add to the tags and the metadata of a row; raise InvalidError if they become too many."""
    together = without_repeats([*row.tags, *tags])
    if len(together) > MOST_TAGS:
        raise _too_many("tags", len(together), MOST_TAGS)
    row.tags = together
    _set_metadata(row, {**row.metadata_, **metadata})


def _set_metadata(row: Named, metadata: Mapping[str, Any]) -> None:
    left = {key: value for key, value in metadata.items() if value is not None}
    if len(left) > MOST_PAIRS:
        raise _too_many("metadata", len(left), MOST_PAIRS)
    row.metadata_ = left


def _too_many(field: str, count: int, most: int) -> InvalidError:
    return InvalidError(
        [field], f"With those that are there already it would be {count}; at most {most} may be."
    )
