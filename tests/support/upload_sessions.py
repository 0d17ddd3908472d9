"""Files that are sent in parts."""

import base64
import hashlib
from typing import Any

import httpx


def session_request(content: bytes, **members: Any) -> dict[str, Any]:
    """Return the request that begins the upload of a file."""
    return {
        "kind": "model",
        "name": "m.pt2",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **members,
    }


def digest_header(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def put_part(
    client: httpx.Client, identity: str, number: int, content: bytes, **headers: str
) -> httpx.Response:
    return client.put(
        f"/v1/uploads/{identity}/parts/{number}",
        content=content,
        headers={"Content-Digest": digest_header(content), **headers},
    )
