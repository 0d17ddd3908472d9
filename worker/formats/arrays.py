"""Archives of `.npy` arrays, such as `.npz`: targets, `y`, and inputs: `x`, or several by name.

See docs/security.md, "Rules for data".
"""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath

from narrows.inputs import TARGET
from worker.errors import RefusedError
from worker.formats import npy
from worker.formats.columns import Column
from worker.formats.container import Container
from worker.formats.packed import MAX_BYTES
from worker.formats.refusals import HOW_TO, invalid
from worker.formats.samples import Samples, require_inputs
from worker.formats.transform import Transform

MAX_TOTAL_BYTES = 2 * MAX_BYTES
"""The largest size of all arrays in memory."""
Open = Callable[[int], Column]
"""Opens an array of at most so many bytes."""
_MEMBER = re.compile(r"([A-Za-z_]\w{0,199})\.npy", re.ASCII)


def are_in(container: Container) -> bool:
    """Return whether there are arrays, all in one folder, and no single samples."""
    found = [PurePosixPath(name) for name in container.sizes if name.endswith(".npy")]
    return (
        bool(found)
        and len({path.parent for path in found}) == 1
        and all(_MEMBER.fullmatch(path.name) for path in found)
    )


def read(container: Container, transform: Transform) -> Samples:
    """Return the samples in the arrays of an archive; raise RefusedError as `samples` does."""
    opened = {
        match[1]: partial(npy.column, partial(container.open, name), match[1])
        for name in container.sizes
        if (match := _MEMBER.fullmatch(PurePosixPath(name).name))
    }
    return samples(opened, list(container.sizes), transform)


def samples(opened: Mapping[str, Open], held: Sequence[str], transform: Transform) -> Samples:
    """Return the samples in arrays by name; `held` is what the file holds, for messages.

    Beside an array `x`, those that can't be inputs are left out. Raises RefusedError if an array is
    unsafe or too large, or if an input and `y` have different numbers of samples or none.
    """
    targets = _open(opened, held, TARGET, MAX_BYTES)
    names = [name for name in opened if name != TARGET] or ["x"]  # for the error about it
    require_inputs(len(names))
    inputs: dict[str, Column] = {}
    for name in names:
        total = sum(_bytes(column) for column in (targets, *inputs.values()))
        try:
            column = _open(opened, held, name, MAX_TOTAL_BYTES - total)
            require_input(column, targets, names)
        except RefusedError:
            if name == "x" or "x" not in names:
                raise
        else:
            inputs[name] = column
    return Samples.of(inputs, require_targets(targets), transform)


def require_targets(targets: Column) -> Column:
    """Return targets; raise RefusedError if they do not count samples."""
    if len(targets.shape) < 1:
        raise invalid(f"{TARGET} is a single number; its first dimension counts samples.")
    return targets


def require_input(column: Column, targets: Column, names: Collection[str]) -> None:
    """Raise RefusedError unless this is an input for the targets; `names` are those of all."""
    require_targets(targets)
    name, shape = column.name, column.shape
    if len(shape) < (2 if len(names) == 1 or name == "x" else 1):
        raise invalid(
            f"{name} has shape {shape}; its first dimension counts samples, and it needs at "
            "least one more."
        )
    if len(column) != len(targets):
        raise invalid(f"{name} has {len(column):,} samples but y has {len(targets):,}.")
    if 0 in shape:
        raise invalid(f"It is empty: {name} has shape {shape}.")


def _open(opened: Mapping[str, Open], held: Sequence[str], name: str, most: int) -> Column:
    if name not in opened:
        holds = ", ".join(sorted(held)[:8]) or "nothing"
        raise invalid(f"It needs exactly one array named {name!r}; it holds {holds}. {HOW_TO}")
    return opened[name](most)


def _bytes(column: Column) -> int:
    return math.prod(column.shape) * column.dtype.itemsize
