"""The OpenAPI document."""

import json
from typing import Any

from service.app import create_app


def document() -> dict[str, Any]:
    """Return the description of the API."""
    return create_app().openapi()


def render(described: dict[str, Any]) -> str:
    """Return the text of `openapi.json`."""
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"
