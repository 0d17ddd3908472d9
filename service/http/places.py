"""Limits the requests of a key that go on for long: event streams, and reads that wait."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.http.problems import TooManyRequestsError
from service.settings import Settings

RETRY_SECONDS: Final = 5


class Places:
    """Counts what each key holds in this process; only the thread of the event loop may."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held: Counter[str] = Counter()

    @contextmanager
    def held(self, key_id: str) -> Iterator[None]:
        """Hold a place of the key; raise TooManyRequestsError if all are taken."""
        limit = self._settings.max_streams_per_key
        if self._held[key_id] >= limit:
            raise TooManyRequestsError(
                f"This key has {limit} event streams and waits at once, the limit; end one "
                "of them first.",
                retry_after=RETRY_SECONDS,
            )
        self._held[key_id] += 1
        try:
            yield
        finally:
            self._held[key_id] -= 1
            if not self._held[key_id]:
                del self._held[key_id]
