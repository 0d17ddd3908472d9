"""Decodes a PNG or JPEG file. See docs/security.md, "Rules for data"."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from worker.errors import RefusedError
from worker.formats.geometry import MAX_PIXELS, Color
from worker.formats.refusals import invalid, quoted, said

FORMATS: Final = ("PNG", "JPEG")
SUFFIXES: Final = (".png", ".jpg", ".jpeg")
OTHER_SUFFIXES: Final = (".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".heic", ".ppm", ".pgm")
"""Images that are not read: each decoder more is one more that an upload can attack."""
MAX_BYTES: Final = 64 << 20
"""The most bytes of an image file."""
_GRAY: Final = ("1", "L", "LA")
_COLOR: Final = ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_MODES: Final = {"gray": "L", "rgb": "RGB"}

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", "Palette images with Transparency", UserWarning)


class Probe(NamedTuple):
    """What the header of an image says."""

    height: int
    width: int
    gray: bool


def probe(data: bytes, name: str) -> Probe:
    """Return what the header says; raise RefusedError for what is no image, or too large a one."""
    with _opened(data, name) as image:
        return Probe(image.height, image.width, image.mode in _GRAY)


def decode(data: bytes, name: str, color: Color) -> NDArray[Any]:
    """Return the pixels, [channels, height, width] of 8 bits; raise RefusedError.

    Transparency is dropped, and a note of the camera's orientation is not followed, as in
    torchvision.
    """
    with _opened(data, name) as image:
        pixels = np.array(image.convert(_MODES[color]))
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image.Image]:
    if len(data) > MAX_BYTES:
        raise invalid(f"{quoted(name)} has {len(data):,} bytes; at most {MAX_BYTES:,} are read.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise invalid(
                    f"{quoted(name)} has {image.width} × {image.height} pixels; at most "
                    f"{MAX_PIXELS:,} are read. Make it smaller."
                )
            if image.mode not in (*_GRAY, *_COLOR):
                raise invalid(
                    f"{quoted(name)} has pixels of the kind {image.mode}, not of 8 bits. Save such "
                    "images as arrays, in a .npz file."
                )
            yield image
    except (RefusedError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything for damaged data
        raise invalid(
            f"{quoted(name)} is no PNG or JPEG that can be decoded ({_why(error)})."
        ) from None


def _why(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its text has an address in memory
        return "its first bytes are those of neither"
    return said(error)
