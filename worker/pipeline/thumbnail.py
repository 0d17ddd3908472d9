"""A small picture of a preprocessed sample, for people to see that it is right."""

import base64
import io
from typing import Final

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

PIXELS: Final = 48
"""The longer side of a thumbnail: it has some thousand bytes."""


def thumbnail(sample: Tensor) -> str | None:
    """Return a sample [1 or 3 channels, height, width] as a PNG in a `data:` URL; None for others.

    The lowest number is black, the highest white.
    """
    if sample.dim() != 3 or sample.shape[0] not in (1, 3):
        return None
    low, high = sample.min(), sample.max()
    light = (sample - low) / (high - low).clamp(min=1e-12)
    scale = PIXELS / max(sample.shape[1:])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in sample.shape[1:]]
        light = F.interpolate(light[None], size=size, mode="bilinear", antialias=True)[0]
    pixels = (light * 255).round().byte().movedim(0, -1).squeeze(-1).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
