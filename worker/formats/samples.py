"""Samples: inputs and targets, of which only those are read that are needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.arrays import Ints
from narrows.inputs import TARGET
from worker.formats.columns import Column
from worker.formats.refusals import invalid
from worker.formats.transform import Transform

MAX_INPUTS = 16
"""The most inputs that a network may have."""


@dataclass(frozen=True)
class Stored:
    """One input of N samples as stored, [N, …], and its transform.

    >>> from worker.formats.columns import Loaded
    >>> pixels = np.full((1, 1, 2, 2), 255, np.uint8)
    >>> images = Stored(Loaded("x", pixels), Transform().for_stored(np.uint8))
    >>> images.batch([0], torch.float32).flatten()
    tensor([1., 1., 1., 1.])
    """

    column: Column
    transform: Transform

    def batch(self, index: Sequence[int] | Ints | slice, dtype: torch.dtype) -> Tensor:
        """Return the preprocessed inputs of some samples, in `dtype`; raise RefusedError."""
        rows = np.arange(len(self.column))[index] if isinstance(index, slice) else np.array(index)
        return self.transform.scaled(self.column.read(rows, self.transform), dtype)

    def limits(self) -> tuple[float, float]:
        """Return the lowest and the highest number as stored."""
        ends = [(rows.min(), rows.max()) for rows in self.column.chunks()]
        return min(low for low, _ in ends), max(high for _, high in ends)


@dataclass(frozen=True)
class Samples:
    """N samples as stored: inputs by name, and targets; `classes` are the names of class numbers.

    `left_out` counts the files of an archive that were passed over.
    """

    inputs: Mapping[str, Stored]
    answers: Stored
    classes: tuple[str, ...] | None = None
    left_out: int = 0

    @classmethod
    def of(
        cls, inputs: Mapping[str, Column], targets: Column, transform: Transform, **more: Any
    ) -> "Samples":
        """Return the samples of columns, which all have N rows; raise RefusedError."""
        if unknown := [name for name in transform.inputs if name not in inputs]:
            raise invalid(
                f"The transform is for {', '.join(map(repr, unknown))}, but there is no such "
                f"array; it holds {', '.join(map(repr, inputs))}."
            )
        alone = len(inputs) == 1
        stored = {
            name: Stored(
                column,
                transform.of_array(name, len(column.shape), alone=alone).for_stored(column.dtype),
            )
            for name, column in inputs.items()
        }
        return cls(stored, Stored(targets, Transform(scale=1.0)), **more)

    def __len__(self) -> int:
        return len(self.answers.column)

    def only(self, index: Ints) -> "Samples":
        """Return these samples alone, in this order."""
        inputs = {name: _only(stored, index) for name, stored in self.inputs.items()}
        return replace(self, inputs=inputs, answers=_only(self.answers, index))

    def check(self) -> None:
        """Read what can be checked only so; raise RefusedError.

        Beside an input `x`, others are checked when they are used.
        """
        self.answers.column.check()
        for name, stored in self.inputs.items():
            if name == "x" or "x" not in self.inputs:
                stored.column.check()

    @cached_property
    def targets(self) -> NDArray[Any]:
        """The targets of all samples, [N, …]."""
        return self.answers.column.take(np.arange(len(self)))

    @property
    def transforms(self) -> dict[str, Any]:
        """The transform of a single input, or those of several by name."""
        declared = {name: of.transform.to_json() for name, of in self.inputs.items()}
        return declared if len(declared) > 1 else next(iter(declared.values()))


def require_inputs(count: int) -> None:
    """Raise RefusedError for more inputs than a network may have."""
    if count > MAX_INPUTS:
        raise invalid(f"It holds {count} arrays beside {TARGET!r}; at most {MAX_INPUTS} are read.")


def _only(stored: Stored, index: Ints) -> Stored:
    return replace(stored, column=stored.column.only(index))
