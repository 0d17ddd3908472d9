"""Samples: stored inputs and targets, and the preprocessing of inputs for the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.errors import RefusedError

BYTE_SCALE = 1 / 255
"""The default scale of 8-bit images."""


@dataclass(frozen=True)
class Transform:
    """Declared preprocessing: `(stored · scale − mean) / std`, channels first.

    `mean` and `std` hold one number for all channels, or one for each. Without a `scale`,
    `for_stored` chooses the usual one for the stored dtype.
    """

    scale: float | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["nchw", "nhwc"] = "nchw"

    @classmethod
    def from_json(cls, declared: Mapping[str, Any]) -> "Transform":
        """Return the transform that was declared at upload, which the API has validated."""
        return cls(
            declared.get("scale"),
            tuple(declared.get("mean") or (0.0,)),
            tuple(declared.get("std") or (1.0,)),
            declared.get("layout") or "nchw",
        )

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
        if len(numbers) not in (1, batch.shape[1]):
            raise RefusedError(
                "transform-does-not-fit",
                "The transform does not fit the data",
                f"mean or std has {len(numbers)} numbers but the inputs, of shape "
                f"{list(batch.shape[1:])}, have {batch.shape[1]} channels. Give one number for "
                'all channels, or one for each; set "layout": "nhwc" if the channels come last.',
            )
        return batch.new_tensor(numbers).view(-1, *(1,) * (batch.dim() - 2))


@dataclass(frozen=True)
class Samples:
    """N samples as stored: `inputs` [N, …] and `targets` [N, …], with their transform."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    transform: Transform

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(
        self, index: Sequence[int] | NDArray[np.int64], dtype: torch.dtype, target: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Return the preprocessed inputs in `dtype` and the targets in `target` of some samples."""
        inputs = self.transform.apply(self.inputs[index], dtype)
        return inputs, torch.from_numpy(self.targets[index]).to(target)
