# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""Large files, sent in parts that go on after a cut, also in another process."""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from narrows.client.errors import ApiError, UnreachableError
from narrows.client.requests import part_headers, path_of, request_of
from narrows.client.synchronous.connection import Connection
from narrows.client.synchronous.runtime import in_thread, several
from narrows.client.transfer import OnRead, OnRetry, piece_of, sha256_of
from narrows.client.types import UploadSessionDetail

AT_ONCE: Final = 4
"""How many parts are on their way at once."""
_PIECE: Final = 256 << 10
_DAMAGED_ON_THE_WAY: Final = 3
"""How often a part is sent again because its checksum was wrong when it arrived."""
_ROUNDS: Final = 3
"""How often all is sent that is missing: the server may find that its disk damaged a part."""


def upload_in_parts(
    connection: Connection,
    declared: Mapping[str, Any],
    completion: Mapping[str, Any],
    path: Path,
    on_read: OnRead | None,
) -> Any:
    """Upload a file; return the JSON of the model or dataset. Raises OSError, as reading.

    `declared` are its kind and filename, and what else is said of it; `completion` is said when all
    has arrived, so that it may be other where an upload goes on. What arrived before is found
    by the file's SHA-256, and not sent again. `on_read` is also told of that; it is called by one
    thread at a time.
    """
    on_read = on_read or (lambda _: None)
    sha256, size = in_thread(sha256_of, path)
    request = {**declared, "size": size, "sha256": sha256}
    session = _begun(connection, request) or _begin(connection, request)
    if session.state == "completed":  # the server has the same already
        on_read(size)
        return _completed(connection, session.id, completion)
    sending = _Sending(connection, session, path, on_read)
    for rounds_left in reversed(range(_ROUNDS)):
        sending.send_missing()
        try:
            return _completed(connection, session.id, completion)
        except ApiError as error:
            if not (rounds_left and error.type.endswith(":parts-missing")):
                raise
        sending.session = _read(connection, session.id)
    raise AssertionError("unreachable")


def _begun(connection: Connection, request: Mapping[str, Any]) -> UploadSessionDetail | None:
    """Return the newest open session of this file, if there is one, with what has arrived."""
    asked = {"state": "open", "sha256": request["sha256"]}
    try:
        answer = connection.send("GET", "/v1/uploads", params=asked)
    except ApiError as error:
        if error.status == httpx.codes.FORBIDDEN:  # the key may only write
            return None
        raise
    wanted = {"transform": {} if request["kind"] == "dataset" else None, **request}
    for item in answer.json()["items"]:
        if all(item.get(name) == value for name, value in wanted.items()):
            return _read(connection, item["id"])
    return None


def _begin(connection: Connection, request: Mapping[str, Any]) -> UploadSessionDetail:
    sent = request_of(body=request, idempotency_key=secrets.token_hex(16))
    answer = connection.send("POST", "/v1/uploads", **sent)
    return UploadSessionDetail(answer.json())


def _read(connection: Connection, identity: str) -> UploadSessionDetail:
    answer = connection.send("GET", path_of("/v1/uploads/{}", identity), patient=True)
    return UploadSessionDetail(answer.json())


def _completed(connection: Connection, identity: str, completion: Mapping[str, Any]) -> Any:
    path = path_of("/v1/uploads/{}", identity)
    sent = request_of(body=completion)
    sent["timeout"] = connection.limits.timeout(connection.limits.upload_answer)
    try:
        answer = connection.send("POST", f"{path}/complete", patient=True, **sent)
    except ApiError as error:
        if error.status == httpx.codes.PRECONDITION_FAILED:
            connection.send("DELETE", path)
            error.hint = "The file was changed while it was sent; upload it again."
        raise
    return answer.json()


class _StoppedError(Exception):
    """Another part has failed."""


class _Sending:
    """Sends the parts of a session, several at once."""

    def __init__(
        self,
        connection: Connection,
        session: UploadSessionDetail,
        path: Path,
        on_read: OnRead,
    ) -> None:
        self.session = session
        self._connection, self._path, self._on_read = connection, path, on_read
        self._on_retry = _said_once(connection)
        self._telling, self._stop = threading.Lock(), threading.Event()
        self._told = 0

    def send_missing(self) -> None:
        """Send what has not arrived; after an error or Ctrl-C, nothing more is begun."""
        self._tell(self.session.received_bytes - self._told)
        received = frozenset(self.session.received)
        numbers = iter([n for n in range(self.session.parts) if n not in received])
        taking = threading.Lock()

        def work() -> None:
            while not self._stop.is_set():
                with taking:
                    number = next(numbers, None)
                if number is None:
                    return
                self._send(number)

        try:
            several(work, AT_ONCE)
        except BaseException:
            self._stop.set()
            raise

    def _send(self, number: int) -> None:
        size = self.session.part_size
        content = in_thread(piece_of, self._path, number * size, size)
        path = path_of("/v1/uploads/{}/parts/{}", self.session.id, number)
        headers = part_headers(content)
        damaged = sent = 0

        def pieces() -> Iterator[bytes]:
            nonlocal sent
            for start in range(0, len(content), _PIECE):
                if self._stop.is_set():
                    raise _StoppedError
                piece = content[start : start + _PIECE]
                yield piece
                sent += len(piece)
                self._tell(len(piece))

        def once() -> None:
            nonlocal damaged, sent
            sent = 0
            try:
                self._connection.send_once("PUT", path, content=pieces(), headers=headers)
            except (ApiError, UnreachableError) as error:
                self._tell(-sent)
                if isinstance(error, ApiError) and error.status == httpx.codes.PRECONDITION_FAILED:
                    damaged += 1
                    error.may_pass = damaged <= _DAMAGED_ON_THE_WAY
                raise

        self._connection.repeated(once, patient=True, on_retry=self._on_retry)

    def _tell(self, count: int) -> None:
        with self._telling:
            self._told += count
            self._on_read(count)


def _said_once(connection: Connection) -> OnRetry:
    """Return what to call before a repeat: of what several threads meet, only one counts as new."""
    lock, quiet_until = threading.Lock(), 0.0

    def say(error: ApiError | UnreachableError, repeat: int, pause: float) -> None:
        nonlocal quiet_until
        with lock:
            now = time.monotonic()
            known = now < quiet_until
            quiet_until = max(quiet_until, now + pause + connection.limits.connect)
        connection.on_retry(error, repeat or int(known), pause)

    return say
