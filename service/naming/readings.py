"""What a text may mean that is written where a number or a truth value could be."""

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
