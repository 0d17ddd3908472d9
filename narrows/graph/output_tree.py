"""The structure of a network's outputs: tuples, lists, and collections with names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Constant:
    """An output that is no tensor, but the same number or text for every input."""

    value: float | str | bool


Nesting: TypeAlias = (
    int | Constant | tuple["Nesting", ...] | list["Nesting"] | dict[str | int, "Nesting"] | None
)
"""The number of an output, a constant or None in its place, or a collection of such."""


def nested(nesting: Nesting, outputs: Sequence[Any]) -> Any:
    """Return `nesting` with outputs in place of their numbers.

    >>> nested({"logits": 0, "features": (1, 2), "loss": None}, ["a", "b", "c"])
    {'logits': 'a', 'features': ('b', 'c'), 'loss': None}
    """
    if isinstance(nesting, dict):
        return {name: nested(item, outputs) for name, item in nesting.items()}
    if isinstance(nesting, tuple | list):
        items = [nested(item, outputs) for item in nesting]
        return items if isinstance(nesting, list) else tuple(items)
    if isinstance(nesting, Constant):
        return nesting.value
    return None if nesting is None else outputs[nesting]


def numbers(nesting: Nesting) -> Iterator[int]:
    """Yield the numbers of the outputs in order.

    >>> list(numbers({"logits": 0, "features": (1, 2), "loss": None}))
    [0, 1, 2]
    """
    if isinstance(nesting, dict | tuple | list):
        for item in nesting.values() if isinstance(nesting, dict) else nesting:
            yield from numbers(item)
    elif isinstance(nesting, int):
        yield nesting


def flat(count: int) -> Nesting:
    """Return the nesting of a single output, or of several in a tuple.

    >>> flat(1), flat(3)
    (0, (0, 1, 2))
    """
    return 0 if count == 1 else tuple(range(count))


def collection(context: Any, children: list[Nesting]) -> Nesting:
    """Return the collection that torch's treespec describes by the `context` of its type.

    There is none for a tuple; keys for a dictionary, and for a `ModelOutput` of transformers; and
    for a dataclass the names of its fields, and those of the fields that are None. A type with
    names becomes a dictionary. Raises ValueError for any other context.

    >>> collection(None, [0, 1]), collection(["logits", "loss"], [0, 1])
    ((0, 1), {'logits': 0, 'loss': 1})
    >>> collection([["logits"], ["loss"]], [0])
    {'logits': 0, 'loss': None}
    """
    if context is None:
        return tuple(children)
    missing: list[Any] = []
    names = context
    if isinstance(context, list) and len(context) == 2 and isinstance(context[0], list):
        names, missing = context
    if not isinstance(names, list | tuple) or not isinstance(missing, list):
        raise ValueError("has no names of its items")
    every = [*names, *missing]
    if not len(set(every)) == len(every) == len(children) + len(missing):
        raise ValueError(f"does not name {len(children)} items")
    if not all(type(name) is int or isinstance(name, str) for name in every):
        raise ValueError("has a name that is neither text nor an integer")
    return dict(zip(every, [*children, *(None for _ in missing)], strict=True))


def renumbered(nesting: Nesting, leaves: Sequence[int | Constant | None]) -> Nesting:
    """Return the nesting with `leaves[i]` in place of its leaf i.

    >>> renumbered({"logits": 0, "loss": 1, "features": 2}, [0, None, 1])
    {'logits': 0, 'loss': None, 'features': 1}
    """
    filled: Nesting = nested(nesting, leaves)
    return filled
