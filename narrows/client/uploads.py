"""Uploads, whose repeats are harmless: a file that has arrived is not sent again."""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import httpx

from narrows.client.errors import ApiError, TimedOutError, UnreachableError
from narrows.client.http import Connection, OnRead
from narrows.client.parts import upload_in_parts
from narrows.client.types import Upload

NEWEST = 100
"""Among so many of the newest uploads, one that may have arrived is looked for."""

LARGE = 64 << 20
"""Files of more bytes are sent in parts."""


def upload(
    connection: Connection,
    kind: Literal["models", "datasets"],
    path: Path,
    declared: Mapping[str, Any],
    on_read: OnRead | None,
) -> Upload:
    """Upload a file, with what is declared of it; return the model or dataset.

    Raises OSError, as reading. A large file goes in parts. After an error, any other that was sent
    whole is first looked for by its SHA-256. If the answer does not come in time, the file is not
    sent again: the way may take as long each time.
    """
    if path.stat().st_size > LARGE:
        noun = kind.removesuffix("s")
        return upload_in_parts(connection, noun, path, declared, on_read or (lambda _: None))
    fields = {name: json.dumps(value) for name, value in declared.items()}
    sent: str | None = None

    def once() -> Upload:
        nonlocal sent
        if sent and (there := _arrived(connection, kind, path.name, sent, fields)):
            return there
        with _Read(path, on_read) as file:
            try:
                return _post(connection, kind, path.name, file, fields)
            except (ApiError, UnreachableError) as error:
                sent = file.sha256_if_whole()
                if isinstance(error, TimedOutError) and error.phase == "answer":
                    if sent and (there := _arrived(connection, kind, path.name, sent, fields)):
                        return there
                    error.may_pass = False
                    error.hint = "It may still arrive; to upload it once more is harmless."
                if error.may_pass:
                    file.begin_again()
                raise

    return connection.repeated(once)


def _post(
    connection: Connection, kind: str, name: str, file: "_Read", fields: Mapping[str, str]
) -> Upload:
    answer: Upload = connection.send_once(
        "POST",
        f"/v1/{kind}",
        data=fields,
        files={"file": (name, file)},
        timeout=connection.limits.timeout(connection.limits.upload_answer),
    ).json()
    return answer


def _arrived(
    connection: Connection, kind: str, name: str, sha256: str, fields: Mapping[str, str]
) -> Upload | None:
    """Return the newest upload of these bytes, this name and transform, if there is one."""
    try:
        answer = connection.send_once("GET", f"/v1/{kind}", params={"page_size": NEWEST})
    except ApiError as error:
        if error.status == httpx.codes.FORBIDDEN:  # the key may only write
            return None
        raise
    transform = json.loads(fields.get("transform", "{}"))
    for item in answer.json()["items"]:
        known = item["sha256"], item["name"], item.get("transform", {})
        if known == (sha256, name, transform) and item["state"] in ("inspecting", "ready"):
            there: Upload = item
            return there
    return None


class _Read(io.FileIO):
    """A file that hashes, and tells `on_read` of, each piece that httpx reads."""

    def __init__(self, path: Path, on_read: OnRead | None) -> None:
        super().__init__(path)
        self._on_read, self._hash, self._read = on_read, hashlib.sha256(), 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size) or b""
        self._hash.update(chunk)
        self._told(len(chunk))
        return chunk

    def sha256_if_whole(self) -> str | None:
        """Return the SHA-256 of what was read, None unless it is the whole file."""
        return self._hash.hexdigest() if self._read == os.fstat(self.fileno()).st_size else None

    def begin_again(self) -> None:
        self._told(-self._read)

    def _told(self, count: int) -> None:
        self._read += count
        if self._on_read is not None:
            self._on_read(count)
