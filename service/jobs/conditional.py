"""Conditional requests (entity tags, RFC 9110) and waiting requests (`Prefer: wait`, RFC 7240)."""

import hashlib
import re
from typing import Annotated, Protocol

from fastapi import Header

IfNoneMatch = Annotated[
    str | None,
    Header(description="Entity tags that you have, from `ETag`: the answer is 304 if one holds"),
]
MAX_WAIT_SECONDS = 60


class Dumped(Protocol):
    """A pydantic model."""

    def model_dump_json(self, *, exclude: dict[str, set[str]]) -> str: ...


def entity_tag(job: Dumped, *more: str) -> str:
    """Return a weak tag (RFC 9110, section 8.8.3); the estimated time left does not change it.

    `more` is what an answer depends on beside the job.
    """
    text = "\n".join((job.model_dump_json(exclude={"progress": {"seconds_left"}}), *more))
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def matches(tag: str, if_none_match: str | None) -> bool:
    """Return whether `If-None-Match` names `tag` (weak comparison, RFC 9110, section 13.1.2)."""
    if if_none_match is None:
        return False
    tags = [entry.strip().removeprefix("W/") for entry in if_none_match.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def wait_seconds(prefer: str | None) -> int:
    """Return the `wait` of `Prefer` in seconds (RFC 7240, section 4.3), at most a minute."""
    match = re.search(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})', prefer or "", re.IGNORECASE)
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0
