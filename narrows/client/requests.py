"""What requests are made of: paths, queries, bodies."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote


def path_of(template: str, *parts: object) -> str:
    """Return a path with its parts, quoted.

    >>> path_of("/v1/analyses/{}/artifacts/{}", "ana_1", "a/b.pt2")
    '/v1/analyses/ana_1/artifacts/a%2Fb.pt2'
    """
    return template.format(*(quote(str(part), safe="") for part in parts))


def query_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that were given, as texts where httpx knows none.

    >>> query_of({"state": None, "page_size": 20, "since": datetime(2026, 1, 31)})
    {'page_size': 20, 'since': '2026-01-31T00:00:00'}
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    times = {name: _plain(value) for name, value in given.items() if isinstance(value, datetime)}
    return given | times


def request_of(
    *,
    query: Mapping[str, Any] | None = None,
    body: object = None,
    content: bytes | None = None,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """Return the arguments of httpx for a request; times in its body are as in RFC 3339."""
    request: dict[str, Any] = {"params": query_of(query or {}), "headers": {}}
    if body is not None:
        request["content"] = json.dumps(body, default=_plain)
        request["headers"]["Content-Type"] = "application/json"
    if content is not None:
        request["content"] = content
        request["headers"] |= part_headers(content)
    if idempotency_key is not None:
        request["headers"]["Idempotency-Key"] = idempotency_key
    return request


def form_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a form as texts, in JSON where they are none."""
    return {name: _text(value) for name, value in fields.items()}


def part_headers(content: bytes) -> dict[str, str]:
    """Return the headers of a part of an upload, with its checksum (RFC 9530)."""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {
        "Content-Digest": f"sha-256=:{digest}:",
        "Content-Length": str(len(content)),
        "Content-Type": "application/octet-stream",
    }


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _plain(value) if isinstance(value, datetime) else json.dumps(value)


def _plain(value: Any) -> str:
    return str(value.isoformat())
