"""Which array of a sample goes to which input of the network.

See docs/architecture.md, "Several inputs".
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

TARGET = "y"
"""The name of the targets."""


class InputsError(ValueError):
    """The error for arrays that the network's inputs do not match; the text names the input."""


def sources(names: Sequence[str], arrays: Collection[str]) -> list[str]:
    """Return the name of the array that each of the network's inputs reads.

    That is the array with the input's own name; or else `x0`, `x1`, … in the order of the inputs.
    A single input reads `x`, or the only array that there is. Raises InputsError.

    >>> sources(["ids", "mask"], ["mask", "ids"]), sources(["ids", "mask"], ["x0", "x1"])
    (['ids', 'mask'], ['x0', 'x1'])
    >>> sources(["image"], ["x"]), sources(["x"], ["pixels"])
    (['x'], ['pixels'])
    >>> sources(["ids", "mask"], ["ids"])
    Traceback (most recent call last):
    narrows.inputs.InputsError: the network takes 'ids' and 'mask', but there is no array 'mask', \
only 'ids'. Name the arrays as the inputs, or x0, x1, … in their order
    """
    if all(name in arrays for name in names):
        return list(names)
    if len(names) == 1 and ("x" in arrays or len(arrays) == 1):
        return ["x" if "x" in arrays else next(iter(arrays))]
    numbered = numbers(len(names))
    if all(name in arrays for name in numbered):
        return numbered
    wanted = numbered if "x0" in arrays else names
    advice = "Name the arrays as the inputs, or x0, x1, … in their order"
    if TARGET in names:
        advice = "If it takes the targets and returns its loss, choose the loss model"
    missing = ", ".join(repr(name) for name in wanted if name not in arrays)
    raise InputsError(
        f"the network takes {' and '.join(map(repr, names)) or 'no input'}, but there is no array "
        f"{missing}, only {', '.join(map(repr, arrays))}. {advice}"
    )


def arrange(
    names: Sequence[str], arrays: Mapping[str, T], target: tuple[str, T] | None = None
) -> tuple[T, ...]:
    """Return what each of the network's inputs reads, in their order.

    A network that returns its loss also takes the target, a name and an array: as the input of that
    name, or `y`, or as the only one that no array is named after, or as the last. Raises
    InputsError.

    >>> arrange(["ids", "labels"], {"ids": 1}, ("y", 2)), arrange(["y", "x"], {"x": 1}, ("y", 2))
    ((1, 2), (2, 1))
    """
    if target is None:
        return tuple(arrays[name] for name in sources(names, arrays))
    if len(names) < 2:
        raise InputsError(
            f"the network takes {' and '.join(map(repr, names)) or 'no input'}; with the loss "
            "model it must take inputs and targets, and return its loss"
        )
    at = _target_index(names, arrays, target[0])
    rest = [name for index, name in enumerate(names) if index != at]
    values = [arrays[name] for name in sources(rest, arrays)]
    return (*values[:at], target[1], *values[at:])


def numbers(count: int) -> list[str]:
    """Return the names of inputs that have none of their own.

    >>> numbers(1), numbers(2)
    (['x'], ['x0', 'x1'])
    """
    return ["x"] if count == 1 else [f"x{index}" for index in range(count)]


def _target_index(names: Sequence[str], arrays: Collection[str], target: str) -> int:
    for name in (target, TARGET):
        if name in names:
            return names.index(name)
    unnamed = [index for index, name in enumerate(names) if name not in arrays]
    return unnamed[0] if len(unnamed) == 1 else len(names) - 1
