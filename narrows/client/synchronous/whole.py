# Written by `python -m service.openapi` from its asynchronous twin; don't edit.
"""Files of at most 64 MiB, sent whole; one that has arrived is not sent again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from narrows.client.errors import ApiError, TimedOutError, UnreachableError
from narrows.client.requests import form_of
from narrows.client.synchronous.connection import Connection
from narrows.client.transfer import HashedFile, OnRead

NEWEST = 100
"""Among so many of the newest uploads, one that may have arrived is looked for."""


def upload_whole(
    connection: Connection,
    url: str,
    declared: Mapping[str, Any],
    path: Path,
    on_read: OnRead | None,
) -> Any:
    """Upload a file to `url`; return the JSON of the model or dataset. Raises OSError, as reading.

    After an error, one that was sent whole is first looked for by its SHA-256. If the answer does
    not come in time, the file is not sent again: the way may take as long each time.
    """
    sent: str | None = None

    def once() -> Any:
        nonlocal sent
        if sent and (there := _arrived(connection, url, declared, sent)):
            return there
        with HashedFile(path, on_read) as file:
            try:
                return _post(connection, url, declared, file)
            except (ApiError, UnreachableError) as error:
                sent = file.sha256_if_whole()
                if isinstance(error, TimedOutError) and error.phase == "answer":
                    if sent and (there := _arrived(connection, url, declared, sent)):
                        return there
                    error.may_pass = False
                    error.hint = "It may still arrive; to upload it once more is harmless."
                if error.may_pass:
                    file.begin_again()
                raise

    return connection.repeated(once)


def _post(connection: Connection, url: str, declared: Mapping[str, Any], file: HashedFile) -> Any:
    answer = connection.send_once(
        "POST",
        url,
        data=form_of({name: value for name, value in declared.items() if name != "filename"}),
        files={"file": (declared["filename"], file)},
        timeout=connection.limits.timeout(connection.limits.upload_answer),
    )
    return answer.json()


def _arrived(connection: Connection, url: str, declared: Mapping[str, Any], sha256: str) -> Any:
    """Return the newest upload of these bytes, this name and transform, if there is one."""
    try:
        answer = connection.send_once("GET", url, params={"page_size": NEWEST})
    except ApiError as error:
        if error.status == httpx.codes.FORBIDDEN:  # the key may only write
            return None
        raise
    named = "name" if "name" in declared else "filename"  # older servers have the name alone
    wanted = sha256, declared[named], declared.get("transform", {})
    for item in answer.json()["items"]:
        known = item["sha256"], item.get(named, item["name"]), item.get("transform", {})
        if known == wanted and item["state"] in ("inspecting", "ready"):
            return item
    return None
