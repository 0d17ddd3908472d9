"""Clients of a service under test, and what its answers must look like."""

from collections.abc import Callable
from typing import Any

import httpx

Client = Callable[..., httpx.Client]


def created(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, response.text
    body: dict[str, Any] = response.json()
    path = "location" if response.status_code != 200 else "content-location"
    assert response.headers[path].endswith(body["id"])
    return body


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Return the problem document of a response that must be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:narrows:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    return body
