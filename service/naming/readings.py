"""Values of metadata as texts, where a text may also mean a number or a truth value."""

import json
from collections.abc import Iterator

from pydantic_core import from_json

from service.naming.schemas import LARGEST_NUMBER, Value


def readings(text: str) -> Iterator[Value]:
    """Yield the text, and the number or the truth value that it may mean.

    >>> list(readings("30")), list(readings("v2")), list(readings("true"))
    (['30', 30], ['v2'], ['true', True])
    """
    yield text
    try:
        value = from_json(text)
    except ValueError:
        return
    if isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER:
        yield value


def read(text: str) -> Value:
    """Return what a text means: a number, a truth value, the text in quotes as in JSON, or itself.

    >>> read("30"), read("true"), read('"30"'), read("v2")
    (30, True, '30', 'v2')
    """
    *_, best = readings(text)
    if text.startswith('"'):
        try:
            quoted = from_json(text)
        except ValueError:
            return text
        return str(quoted)
    return best


def write(value: Value) -> str:
    """Return the text that means this value.

    >>> write(30), write(True), write("30"), write("v2")
    ('30', 'true', '"30"', 'v2')
    """
    if isinstance(value, str) and value == value.strip() and read(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
