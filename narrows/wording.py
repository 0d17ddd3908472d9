"""Small helpers for texts that people read."""

import json
from typing import Any


def counted(count: int, noun: str) -> str:
    """Return the number with its noun, in the plural where there is not one.

    >>> counted(1, "channel"), counted(1200, "sample")
    ('1 channel', '1,200 samples')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def text_of(value: Any) -> str:
    """Return a value as JSON has it, but text without quotes.

    >>> text_of(True), text_of(None), text_of(30), text_of("v2"), text_of(["conv1"])
    ('true', 'null', '30', 'v2', '["conv1"]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
