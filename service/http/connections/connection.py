"""A connection: uvicorn's, with an end for clients that are too slow or send what is wrong."""

import asyncio
import time
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from service.http.connections.draining import DrainingTransport
from service.http.connections.gate import Gate
from service.http.connections.limits import DRAIN_SECONDS, HEADER_BYTES, MIN_RATE
from service.http.problems import ProblemError, TooSlowError


class ServerConfig(uvicorn.Config):
    """The configuration of a server whose connections pass `gate`."""

    def __init__(self, app: Any, gate: Gate, **options: Any) -> None:
        super().__init__(app, http=Connection, ws="none", loop="asyncio", **options)
        self.gate = gate


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """Waits for its client only as long as the limits of the gate allow.

    Of a body no more is read than came with the headers, until the application asks for it. So what
    a client may not send is never held.
    """

    transport: DrainingTransport

    def __init__(
        self, config: ServerConfig, server_state: ServerState, app_state: dict[str, Any], **_: Any
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._gate = config.gate
        self._answered: object = None  # the request that `_follow` has seen begin
        self._request_since: float | None = None
        self._ended = False
        self._received = 0
        self._moved, self._moved_at = 0, 0.0

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(DrainingTransport(transport, self._still_sends))
        self._request_since = time.monotonic()
        self._gate.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gate.leave(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's own name
        whole = self._gate.just_read
        return whole[:HEADER_BYTES] if self._awaits_request() else whole

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._gate.just_read[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # it drains
        self._received += len(data)
        if self._request_since is None and self._awaits_request():
            self._request_since = time.monotonic()
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._still_sends():  # or the rest of a body would be read, and for nothing
            self.transport.close()
        if self._awaits_request() or self.transport.is_closing():
            self._request_since = None  # uvicorn ends it, if no other request comes
            self._gate.waits(self)
        self._follow()

    def send_400_response(self, msg: str) -> None:
        self.end("sent no HTTP", ProblemError(msg))

    def check(self, now: float) -> None:
        """End the connection if its client is too slow."""
        limits = self._gate.limits
        if self.transport.drains_since is not None:
            if now - self.transport.drains_since > DRAIN_SECONDS:
                self.transport.abort()
        elif not self._awaits_request():
            self._check_rate(now)
        elif self._request_since and now - self._request_since > limits.header_seconds:
            if not self._received:
                self.transport.close()  # a browser makes some in case that it needs them
            else:
                seconds = f"{limits.header_seconds:g} s"
                problem = TooSlowError(f"The headers of a request must come within {seconds}.")
                self.end("sent no request in time", problem)

    def end(self, reason: str, problem: ProblemError) -> None:
        """Answer with `problem` and close; only close if an answer has begun."""
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started:
                self.cut(reason)
                return
            self.cycle.disconnected = True  # for the application, the client has gone
            self.cycle.message_event.set()
        self._gate.count(reason, self.address)
        self._ended = True
        self.transport.write(_message(problem))
        self.transport.close()

    def cut(self, reason: str) -> None:
        """Close at once."""
        self._gate.count(reason, self.address)
        self._gate.leave(self)
        self.transport.abort()

    def _awaits_request(self) -> bool:
        return self.conn.their_state is h11.IDLE

    def _still_sends(self) -> bool:
        """Return whether the client may send more of what needs no answer any more."""
        answered = self.cycle is not None and self.cycle.response_complete
        unread = answered and self.conn.their_state is h11.SEND_BODY
        return self._ended or unread

    def _follow(self) -> None:
        """Note that a request has begun."""
        if self.transport.is_closing() or self._awaits_request() or self.cycle is self._answered:
            return
        self._answered = self.cycle
        self._request_since = None
        self._moved, self._moved_at = self._all_moved(), time.monotonic()
        self._gate.works(self)
        if self.conn.their_state is h11.SEND_BODY:
            self.flow.pause_reading()  # uvicorn goes on when the application asks

    def _check_rate(self, now: float) -> None:
        """End the connection if, while the server waits for it, its client moves too few bytes."""
        seconds = self._gate.limits.stall_seconds
        reads = self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused
        writes = self.transport.get_write_buffer_size() > 0
        waits = reads or writes
        if waits and now - self._moved_at < seconds:
            return
        moved = self._all_moved()
        if waits and moved - self._moved < MIN_RATE * seconds:
            if writes:
                self.cut("took a response too slowly")
            else:
                rate = f"{MIN_RATE} bytes a second, on average over {seconds:g} s"
                self.end("sent a body too slowly", TooSlowError(f"A body must bring {rate}."))
            return
        self._moved, self._moved_at = moved, now

    def _all_moved(self) -> int:
        """Return how many bytes the client has sent and taken."""
        waiting = self.transport.get_write_buffer_size()
        return self._received + self.transport.written - waiting


def _message(problem: ProblemError) -> bytes:
    """Return the HTTP message of a problem."""
    answer = problem.response()
    status = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}"
    headers = [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([status.encode(), *headers, b"connection: close", b"", answer.body])
