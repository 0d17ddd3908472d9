"""How a network returns its outputs: in tuples, lists and dictionaries."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

Nesting: TypeAlias = int | tuple["Nesting", ...] | list["Nesting"] | dict[str, "Nesting"]
"""The number of an output, or a collection of such."""


def nested(nesting: Nesting, outputs: Sequence[Any]) -> Any:
    """Return the outputs in the place of their numbers.

    >>> nested({"logits": 0, "features": (1, 2)}, ["a", "b", "c"])
    {'logits': 'a', 'features': ('b', 'c')}
    """
    if isinstance(nesting, dict):
        return {name: nested(item, outputs) for name, item in nesting.items()}
    if isinstance(nesting, int):
        return outputs[nesting]
    items = [nested(item, outputs) for item in nesting]
    return items if isinstance(nesting, list) else tuple(items)


def numbers(nesting: Nesting) -> Iterator[int]:
    """Yield the numbers of the outputs in order."""
    if isinstance(nesting, int):
        yield nesting
    else:
        for item in nesting.values() if isinstance(nesting, dict) else nesting:
            yield from numbers(item)


def flat(count: int) -> Nesting:
    """Return the nesting of one output as it is, or of several in a tuple."""
    return 0 if count == 1 else tuple(range(count))
