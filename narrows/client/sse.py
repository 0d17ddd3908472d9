"""Events of a job as the server streams them (server-sent events, in HTML's standard)."""

import json
from dataclasses import dataclass
from typing import Any

from narrows.vocabulary import ENDED


@dataclass(frozen=True)
class Event:
    """An event of a job: its id, what it tells of, and what it says."""

    id: int
    name: str
    data: dict[str, Any]

    @property
    def is_last(self) -> bool:
        """Whether the job has ended with it."""
        return self.name == "state" and self.data.get("state") in ENDED


class Lines:
    """Makes events of lines.

    >>> lines = Lines()
    >>> given = ["id: 3", "event: state", ": a comment", 'data: {"state": "running"}', ""]
    >>> [event for line in given if (event := lines.take(line))]
    [Event(id=3, name='state', data={'state': 'running'})]
    """

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def take(self, line: str) -> Event | None:
        """Return the event that ends with a line, if one does."""
        if line:
            field, _, value = line.partition(":")
            self._fields[field] = self._fields.get(field, "") + value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        data = json.loads(fields["data"])
        return Event(int(fields.get("id") or 0), fields.get("event", "message"), data)
