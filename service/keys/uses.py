"""When keys were last used: noted in memory, and written from time to time.

A request that only reads must not wait for a writer, so it does not write this itself.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from service.database.base import utc_now
from service.keys.repository import KeyRepository


class Uses:
    """The last uses of keys that have not been written yet."""

    def __init__(self) -> None:
        self._noted: dict[str, datetime] = {}

    def note(self, key_id: str) -> None:
        """Note that a key is used now."""
        self._noted[key_id] = utc_now()

    def write(self, session: Session) -> None:
        """Write what was noted since the last time."""
        keys = KeyRepository(session)
        for key_id in sorted(self._noted):  # in one order, so that no deadlock can occur
            keys.used(key_id, self._noted.pop(key_id))
