# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""Downloads of built networks: a file appears when it is complete and right."""

import errno
import hashlib
import secrets
from pathlib import Path

from narrows.client.synchronous.connection import Connection
from narrows.client.transfer import OnRead


def download(connection: Connection, path: str, target: Path, on_read: OnRead | None) -> Path:
    """Download the artifact at `path` to the file `target`, and return that path.

    The file appears, or is replaced, when it is complete and its SHA-256 is right. A download that
    breaks off begins again. Raises OSError where it can't be written, or arrived damaged.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}")

    def once() -> Path:
        digest, received = hashlib.sha256(), 0
        try:
            with connection.stream(path) as answer:
                with partial.open("wb") as file:
                    for chunk in answer.iter_bytes():
                        digest.update(chunk)
                        file.write(chunk)
                        received += len(chunk)
                        if on_read is not None:
                            on_read(len(chunk))
        except Exception:
            if on_read is not None:
                on_read(-received)
            raise
        tag = answer.headers.get("ETag", "").removeprefix("W/")  # a compressing proxy adds it
        if tag != f'"{digest.hexdigest()}"':
            raise OSError(errno.EIO, "What arrived is not what was built", target.name)
        return partial.replace(target)

    try:
        return connection.repeated(once)
    finally:
        partial.unlink(missing_ok=True)
