"""A batch as users have it: a pair of inputs and targets, or a dictionary of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from narrows.inputs import TARGET, numbers
from narrows.layer_names import listed

ALLOWED = (
    "`batches` must yield pairs (inputs, targets) of tensors or numpy arrays, [batch, …] each, "
    "such as a DataLoader or a list of pairs; several inputs are a tuple or a dictionary by name, "
    "or come before the targets"
)
TARGET_NAMES = (TARGET, "labels", "label", "targets", "target")
"""The names of targets in a dictionary that holds a whole batch."""


class BatchError(ValueError):
    """The error for batches that can't be analysed; the text says which, and what is allowed."""


@dataclass(frozen=True)
class Loaded:
    """A batch: inputs by name, [batch, …] each, and targets, [batch, …], which may have a name too.

    Inputs without names of their own are `x`, or `x0`, `x1`, …
    """

    inputs: Mapping[str, Tensor]
    targets: Tensor
    target: str | None = None

    @property
    def pair(self) -> tuple[Mapping[str, Tensor], Tensor] | Mapping[str, Tensor]:
        """The batch as `analyze` takes it.

        >>> import torch
        >>> Loaded({"ids": torch.zeros(1)}, torch.ones(1), "labels").pair
        {'ids': tensor([0.]), 'labels': tensor([1.])}
        """
        if self.target is None:
            return self.inputs, self.targets
        return {**self.inputs, self.target: self.targets}


def parted(batch: Any, which: str) -> tuple[Any, Any, str | None]:
    """Return the inputs of a batch, its targets, and the targets' name; raise BatchError."""
    if isinstance(batch, Mapping):
        target = next((name for name in TARGET_NAMES if name in batch), None)
        if target is None or len(batch) < 2:
            raise BatchError(
                f"{which} is {described(batch)}: it needs inputs, and targets named "
                f"{listed(TARGET_NAMES)}."
            )
        return {n: part for n, part in batch.items() if n != target}, batch[target], target
    if isinstance(batch, tuple | list) and len(batch) > 2 and _are_arrays(batch):
        return (*batch[:-1],), batch[-1], None  # as a DataLoader yields several inputs
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise BatchError(f"{which} is {described(batch)}; {ALLOWED}.")
    return *batch, None


def named(given: Any) -> Mapping[str, Any]:
    """Return inputs by name, of a tensor, of several, or of a dictionary."""
    if isinstance(given, Mapping):
        return given
    if isinstance(given, tuple | list) and given and _are_arrays(given):
        return dict(zip(numbers(len(given)), given, strict=True))
    return {"x": given}


def _are_arrays(parts: Sequence[Any]) -> bool:
    return all(isinstance(part, Tensor | np.ndarray) for part in parts)


def described(thing: Any) -> str:
    """Return a few words on what a thing is.

    >>> described({"image": 1}), described((1, 2, 3)), described("net.pt2")
    ("a dictionary with the keys 'image'", 'a tuple of 3', "the text 'net.pt2'")
    """
    if isinstance(thing, Tensor):
        return f"a tensor {str(thing.dtype).removeprefix('torch.')} {list(thing.shape)}"
    if isinstance(thing, Mapping):
        return f"a dictionary with the keys {', '.join(map(repr, list(thing)[:5]))}"
    if isinstance(thing, tuple | list):
        return f"a {type(thing).__name__} of {len(thing)}"
    if isinstance(thing, str):
        return f"the text {thing[:60]!r}"
    return f"of the type {type(thing).__name__}"
