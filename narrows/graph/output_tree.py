"""The structure of a network's outputs: tuples, lists and dictionaries."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

Nesting: TypeAlias = int | tuple["Nesting", ...] | list["Nesting"] | dict[str, "Nesting"]
"""The number of an output, or a collection of such."""


def nested(nesting: Nesting, outputs: Sequence[Any]) -> Any:
    """Return `nesting` with outputs in place of their numbers.

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
    """Yield the numbers of the outputs in order.

    >>> list(numbers({"logits": 0, "features": (1, 2)}))
    [0, 1, 2]
    """
    if isinstance(nesting, int):
        yield nesting
    else:
        for item in nesting.values() if isinstance(nesting, dict) else nesting:
            yield from numbers(item)


def flat(count: int) -> Nesting:
    """Return the nesting of a single output, or of several in a tuple.

    >>> flat(1), flat(3)
    (0, (0, 1, 2))
    """
    return 0 if count == 1 else tuple(range(count))
