"""Samples: stored inputs and targets, and the preprocessing of inputs for the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.errors import RefusedError

BYTE_SCALE = 1 / 255
"""The default scale of 8-bit images."""
IMAGE_RANK = 4
"""The dimensions of an array of images: samples, channels, height, width."""


@dataclass(frozen=True)
class Transform:
    """Declared preprocessing: `(stored · scale − mean) / std`, channels first.

    `mean` and `std` hold one number for all channels, or one for each. Without a `scale`,
    `for_stored` chooses the usual one for the stored dtype. `inputs` names the arrays that it is
    for; without names it is for a single input, and of several for those that are images.
    """

    scale: float | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["nchw", "nhwc"] = "nchw"
    inputs: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, declared: Mapping[str, Any]) -> "Transform":
        """Return the transform that was declared at upload, which the API has validated."""
        return cls(
            declared.get("scale"),
            tuple(declared.get("mean") or (0.0,)),
            tuple(declared.get("std") or (1.0,)),
            declared.get("layout") or "nchw",
            tuple(declared.get("inputs") or ()),
        )

    def of_array(self, name: str, rank: int, *, alone: bool) -> "Transform":
        """Return the transform of one of the inputs, by its name and number of dimensions.

        >>> transform = Transform(scale=2.0)
        >>> transform.of_array("mask", 2, alone=False).scale  # no images: as it is
        1.0
        """
        chosen = name in self.inputs if self.inputs else alone or rank >= IMAGE_RANK
        return self if chosen else Transform(scale=1.0)

    def for_stored(self, dtype: np.dtype[Any]) -> "Transform":
        """Return the transform with a scale: by default, 8-bit numbers go to 0…1, others stay."""
        usual = BYTE_SCALE if dtype == np.uint8 else 1.0
        return replace(self, scale=usual if self.scale is None else float(self.scale))

    def apply(self, stored: NDArray[Any], dtype: torch.dtype) -> Tensor:
        """Return the inputs [batch, channels, …] in `dtype` of a stored batch.

        Integer inputs are not scaled. Raises RefusedError if `mean` or `std` does not fit.
        """
        batch = torch.from_numpy(stored)
        if self.layout == "nhwc" and batch.dim() > 2:
            batch = batch.movedim(-1, 1)
        if not dtype.is_floating_point:
            return batch.to(dtype)
        batch = batch.to(dtype) * (1.0 if self.scale is None else self.scale)
        mean, std = (self._along_channels(v, batch) for v in (self.mean, self.std))
        return ((batch - mean) / std).contiguous()

    @staticmethod
    def _along_channels(numbers: Sequence[float], batch: Tensor) -> Tensor:
        channels = batch.shape[1] if batch.dim() > 1 else 1
        if len(numbers) not in (1, channels):
            raise RefusedError(
                "transform-does-not-fit",
                "The transform does not fit the data",
                f"mean or std has {len(numbers)} numbers but the inputs, of shape "
                f"{list(batch.shape[1:])}, have {channels} channels. Give one number for "
                'all channels, or one for each; set "layout": "nhwc" if the channels come last.',
            )
        return batch.new_tensor(numbers).view(-1, *(1,) * (batch.dim() - 2))


@dataclass(frozen=True)
class Stored:
    """One input of N samples as stored, [N, …], and its transform.

    >>> images = Stored(np.full((1, 1, 2, 2), 255, np.uint8), Transform().for_stored(np.uint8))
    >>> images.batch([0], torch.float32).flatten()
    tensor([1., 1., 1., 1.])
    """

    array: NDArray[Any]
    transform: Transform

    def batch(self, index: Sequence[int] | NDArray[np.int64] | slice, dtype: torch.dtype) -> Tensor:
        """Return the preprocessed inputs of some samples, in `dtype`."""
        return self.transform.apply(self.array[index], dtype)


@dataclass(frozen=True)
class Samples:
    """N samples as stored: inputs by name, and `targets` [N, …]."""

    inputs: Mapping[str, Stored]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def answers(self) -> Stored:
        """The targets, which no transform changes."""
        return Stored(self.targets, Transform(scale=1.0))

    @property
    def transforms(self) -> dict[str, Any]:
        """The transform of a single input, or those of several by name."""
        declared = {
            name: {key: value for key, value in vars(of.transform).items() if key != "inputs"}
            for name, of in self.inputs.items()
        }
        return declared if len(declared) > 1 else next(iter(declared.values()))
