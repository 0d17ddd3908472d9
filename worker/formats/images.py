"""A column of images in PNG and JPEG files, decoded as they are needed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.arrays import Ints
from worker.formats import image_files
from worker.formats.columns import Column
from worker.formats.container import Container
from worker.formats.geometry import Color
from worker.formats.refusals import invalid, quoted
from worker.formats.transform import Transform

PROBED: Final = 32
"""How many images tell whether all are gray, and which sizes there are."""


class Blobs(ABC):
    """N image files."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def name(self, row: int) -> str:
        """Return the name of an image for messages."""

    @abstractmethod
    def get(self, row: int) -> bytes:
        """Return the bytes of an image file; raise RefusedError."""

    @abstractmethod
    def only(self, index: Ints) -> "Blobs":
        """Return some of the images, which can be read at random."""


@dataclass(frozen=True)
class Members(Blobs):
    """Image files in an archive."""

    container: Container
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, row: int) -> str:
        return self.names[row]

    def get(self, row: int) -> bytes:
        return self.container.read(self.names[row], image_files.MAX_BYTES)

    def only(self, index: Ints) -> Blobs:
        names = [self.names[row] for row in index]
        return Members(self.container.keeping(names), names)


@dataclass(frozen=True)
class Images(Column):
    """N images, [N, channels, height, width] of 8 bits; `declared` None: gray if all seem to be."""

    name: str
    blobs: Blobs
    declared: Color | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape; height and width are those of the first image, and others may differ."""
        return len(self.blobs), *self._first.shape[1:]

    def read(self, index: Ints, transform: Transform) -> Tensor:
        """Return images in colour or gray, resized and cropped; all must have the same size then.

        Raises RefusedError.
        """
        images = []
        expected = transform.geometry.apply(self._first).shape
        for row in index.tolist():
            images.append(image := transform.geometry.apply(self._decoded(row)))
            if image.shape != expected:
                raise invalid(
                    f"{quoted(self.blobs.name(row))} has {_size(image.shape)} pixels, but "
                    f"{quoted(self.blobs.name(0))} {_size(expected)}. Declare a transform that "
                    'makes them equal, such as {"resize": 256, "crop": 224}.'
                )
        return torch.cat(images)

    def take(self, index: Ints) -> NDArray[Any]:
        return self.read(index, Transform()).numpy()

    def only(self, index: Ints) -> Column:
        return Images(self.name, self.blobs.only(index), self._color)

    def check(self) -> None:
        """Decode the first image; the others are checked when they are used."""
        self._decoded(0)

    def describe(self) -> dict[str, Any]:
        """Return the shape of an image; where sizes differ, those of some: [height, width]."""
        shape = list(self.shape[1:])
        sizes = sorted({(probe.height, probe.width) for probe in self._probes})
        described: dict[str, Any] = {"shape": shape, "dtype": "uint8"}
        return described if len(sizes) == 1 else described | {"sizes": list(map(list, sizes))}

    @cached_property
    def _first(self) -> Tensor:
        return self._decoded(0)

    def _decoded(self, row: int) -> Tensor:
        data, name = self.blobs.get(row), self.blobs.name(row)
        return torch.from_numpy(image_files.decode(data, name, self._color))[None]

    @cached_property
    def _color(self) -> Color:
        gray = self.declared is None and all(probe.gray for probe in self._probes)
        return self.declared or ("gray" if gray else "rgb")

    @cached_property
    def _probes(self) -> list[image_files.Probe]:
        rows = np.unique(np.linspace(0, len(self.blobs) - 1, PROBED).astype(int))
        some = self.blobs.only(rows)
        return [image_files.probe(some.get(row), some.name(row)) for row in range(len(some))]


def _size(shape: Sequence[int]) -> str:
    return f"{shape[-2]} × {shape[-1]}"
