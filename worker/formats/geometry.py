"""Resizing and cropping of images, as in torchvision: by the shorter side, and about the centre."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from worker.errors import RefusedError

MAX_PIXELS = 50_000_000
"""The most pixels of one image, as stored and as resized: 150 MB in colour."""

Size = int | tuple[int, int]
Color = Literal["rgb", "gray"]
Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Geometry:
    """Declared sizes, [height, width] or one number; `resize` of one number is the shorter side's.

    `color` is how image files are decoded; None: gray if all of them are.
    """

    resize: Size | None = None
    crop: Size | None = None
    interpolation: Interpolation = "bilinear"
    color: Color | None = None

    def apply(self, images: Tensor) -> Tensor:
        """Return resized and cropped images [n, channels, height, width]; raise RefusedError.

        Images are smoothed as they shrink. Numbers of 8 bits stay so.

        >>> Geometry(resize=8, crop=(6, 4)).apply(torch.zeros(1, 3, 16, 32)).shape
        torch.Size([1, 3, 6, 4])
        """
        if self.resize is None and self.crop is None:
            return images
        if images.dim() != 4:
            raise _unfit(
                f"`resize` and `crop` are for images, but a sample has shape "
                f"{list(images.shape[1:])}; name the images in `inputs`."
            )
        return self._cropped(self._resized(images))

    def _resized(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if self.resize is None:
            return images
        size = self.resize
        if isinstance(size, int):
            short, long = sorted((height, width))
            other = max(1, int(size * long / short))
            size = (size, other) if height <= width else (other, size)
        if size == (height, width):
            return images
        if size[0] * size[1] > MAX_PIXELS:
            raise _unfit(
                f"An image of {height} × {width} pixels would become one of {size[0]} × {size[1]}."
            )
        if images.dtype not in (torch.uint8, torch.float64):
            images = images.float()
        return F.interpolate(images, size=size, mode=self.interpolation, antialias=True)

    def _cropped(self, images: Tensor) -> Tensor:
        if self.crop is None:
            return images
        height, width = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
        top, left = (
            have - want for have, want in zip(images.shape[2:], (height, width), strict=True)
        )
        if top < 0 or left < 0:
            raise _unfit(
                f"`crop` is {height} × {width}, but an image has {images.shape[2]} × "
                f"{images.shape[3]} pixels; declare a larger `resize`."
            )
        top, left = round(top / 2), round(left / 2)
        return images[:, :, top : top + height, left : left + width]


def _unfit(detail: str) -> RefusedError:
    return RefusedError("transform-does-not-fit", "The transform does not fit the data", detail)
