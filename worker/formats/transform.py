"""The preprocessing of stored inputs for the network, as it was declared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from narrows.losses import IGNORED
from worker.errors import RefusedError
from worker.formats.geometry import Geometry

BYTE_SCALE = 1 / 255
"""The default scale of 8-bit images."""
IMAGE_RANK = 4
"""The dimensions of an array of images: samples, channels, height, width."""


@dataclass(frozen=True)
class Padding:
    """How lists of different lengths are made equal: cut to `length`, or filled up with a value.

    `values` are by input; of others, `value`. None: 0, and −100, which losses ignore, for targets.
    """

    length: int | None = None
    value: float | None = None
    values: tuple[tuple[str, float], ...] = ()

    def of_input(self, name: str) -> float:
        """Return what an input's lists are padded with."""
        return dict(self.values).get(name, self.value or 0.0)

    def of_targets(self, name: str) -> float:
        """Return what lists of targets are padded with; by default, losses ignore it."""
        return dict(self.values).get(name, float(IGNORED))


@dataclass(frozen=True)
class Transform:
    """Declared preprocessing: channels first, resize, crop, `(stored · scale − mean) / std`.

    `mean` and `std` hold one number for all channels, or one for each. Without a `scale`,
    `for_stored` chooses the usual one for the stored dtype. `inputs` names the arrays that it is
    for; without names it is for a single input, and of several for those that are images. Padding
    is for all lists.
    """

    scale: float | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["nchw", "nhwc"] = "nchw"
    inputs: tuple[str, ...] = ()
    geometry: Geometry = field(default_factory=Geometry)
    padding: Padding = field(default_factory=Padding)

    @classmethod
    def from_json(cls, declared: Mapping[str, Any]) -> "Transform":
        """Return a transform that the API has validated."""
        pad = declared.get("pad")
        by_name = tuple(sorted(pad.items())) if isinstance(pad, Mapping) else ()
        names = ("interpolation", "color")
        sizes = {name: _size(declared.get(name)) for name in ("resize", "crop")}
        return cls(
            declared.get("scale"),
            tuple(declared.get("mean") or (0.0,)),
            tuple(declared.get("std") or (1.0,)),
            declared.get("layout") or "nchw",
            tuple(declared.get("inputs") or ()),
            Geometry(**sizes, **{name: declared[name] for name in names if declared.get(name)}),
            Padding(declared.get("length"), None if by_name else pad, by_name),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the transform of one input as JSON, without what it does not do."""
        sizes = {name: value for name, value in asdict(self.geometry).items() if value is not None}
        if self.geometry.resize is None:
            del sizes["interpolation"]
        length = {} if self.padding.length is None else {"length": self.padding.length}
        of_numbers = {"scale": self.scale, "mean": self.mean, "std": self.std}
        return {**of_numbers, "layout": self.layout, **sizes, **length}

    def of_array(self, name: str, rank: int, *, alone: bool) -> "Transform":
        """Return the transform of one of the inputs, by its name and number of dimensions.

        >>> transform = Transform(scale=2.0)
        >>> transform.of_array("mask", 2, alone=False).scale  # no images: as it is
        1.0
        """
        chosen = name in self.inputs if self.inputs else alone or rank >= IMAGE_RANK
        return self if chosen else Transform(scale=1.0, padding=self.padding)

    def for_stored(self, dtype: np.dtype[Any]) -> "Transform":
        """Return the transform with a scale: by default, 8-bit numbers go to 0…1, others stay."""
        usual = BYTE_SCALE if dtype == np.uint8 else 1.0
        return replace(self, scale=usual if self.scale is None else float(self.scale))

    def arranged(self, stored: Tensor) -> Tensor:
        """Return a stored batch, channels first, resized and cropped; raise RefusedError."""
        if self.layout == "nhwc" and stored.dim() > 2:
            stored = stored.movedim(-1, 1)
        return self.geometry.apply(stored)

    def scaled(self, batch: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the inputs [batch, channels, …] in `dtype` of an arranged batch.

        Integer inputs are not scaled. Raises RefusedError if `mean` or `std` does not fit.
        """
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


def _size(declared: Any) -> Any:
    return tuple(declared) if isinstance(declared, list) else declared
