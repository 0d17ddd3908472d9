"""Reads answers: what is no success becomes an error."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from narrows.client.errors import ApiError


def require_success(answer: httpx.Response, *, has_key: bool) -> None:
    """Raise ApiError for an answer that is an error; its content was read."""
    if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
        return
    document = _document(answer)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        detail = "Set NARROWS_API_KEY; `narrows keys create` makes keys."
        if has_key:
            detail = f"{document.get('detail') or ''} Check NARROWS_API_KEY.".lstrip()
        document["detail"] = detail
    raise ApiError.of(answer.status_code, document, _retry_after(answer))


def is_json(answer: httpx.Response) -> bool:
    """Return whether an answer says that it is JSON, and is."""
    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        return False
    try:
        answer.json()
    except ValueError:
        return False
    return True


def _document(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document; from another text, such as of a proxy, one with its start."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {"detail": answer.text.strip()[:200]}


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds in `Retry-After` (RFC 9110), also from a date; None if there are none."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000": UTC
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
