"""The gate: how many connections are open, which of them have to go, and what the log says."""

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from service.http.connections.limits import BODY_BYTES, Limits
from service.http.problems import ProblemError, TooManyRequestsError, UnavailableError

if TYPE_CHECKING:
    from service.http.connections.connection import Connection

log = logging.getLogger(__name__)

LOG_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 5
REFUSED: Final = 64
"""How many connections above the limit are told why they are refused, at once."""


class Gate:
    """Counts the connections of one server, and has those ended that are too slow.

    Where there are too many, the one that has waited longest for a request makes room for a new
    one. So half-sent requests keep nobody out, however many there are. Only the thread of the
    event loop may call it.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.just_read = memoryview(bytearray(BODY_BYTES))
        """All connections share it, since each takes over what it has read at once."""
        self._open: dict[Connection, None] = {}
        self._waiting: dict[Connection, None] = {}  # the longest first
        self._of_address: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._ended_of_address: Counter[str] = Counter()
        self._log_at = 0.0

    def enter(self, connection: "Connection") -> None:
        """Let a new connection in; it has to `refuse` itself where all others are at work."""
        refusal = self._refusal(connection.address)
        self._open[connection] = None
        self._of_address[connection.address] += 1
        if refusal is None:
            self.waits(connection)
        elif len(self._open) > self.limits.connections + REFUSED:
            connection.cut("were refused")
        else:
            connection.end("were refused", refusal)

    def leave(self, connection: "Connection") -> None:
        """Forget a connection, if that has not happened before."""
        self.works(connection)
        if connection in self._open:
            del self._open[connection]
            self._of_address[connection.address] -= 1
            if not self._of_address[connection.address]:
                del self._of_address[connection.address]

    def waits(self, connection: "Connection") -> None:
        """Note that a connection waits for its client, and may have to make room."""
        self._waiting[connection] = None

    def works(self, connection: "Connection") -> None:
        """Note that a request is being answered."""
        self._waiting.pop(connection, None)

    def count(self, reason: str, address: str) -> None:
        """Count an ended connection, for the log."""
        self._ended[reason] += 1
        self._ended_of_address[address] += 1

    def sweep(self, now: float) -> None:
        """End what is too slow; at most once a minute, say in the log how many were ended."""
        for connection in list(self._open):
            connection.check(now)
        if self._ended and now >= self._log_at:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self._ended.most_common())
            address, count = self._ended_of_address.most_common(1)[0]
            log.warning("Ended connections: %s; most from %s (%d)", reasons, address, count)
            self._ended.clear()
            self._ended_of_address.clear()
            self._log_at = now + LOG_SECONDS

    def _refusal(self, address: str) -> ProblemError | None:
        """Make room for one more connection; return why that can't be."""
        limits = self.limits
        full = self._of_address[address] >= limits.per_address and not limits.is_proxy(address)
        if full and not self._make_room(address):
            return TooManyRequestsError(
                f"{address} has {limits.per_address} connections, the limit; use them again, or "
                "fewer at once.",
                retry_after=RETRY_SECONDS,
            )
        if len(self._open) >= limits.connections and not self._make_room():
            return UnavailableError(
                "The server has as many connections as it can; try again.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        return None

    def _make_room(self, address: str | None = None) -> bool:
        """End the connection that has waited longest, of an address if given; return if any did."""
        for connection in self._waiting:
            if address in (None, connection.address):
                connection.cut("made room for others")
                return True
        return False
