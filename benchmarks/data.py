"""The data sets of the benchmarks: Fashion-MNIST, from Debian's package, and digits."""

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


@dataclass(frozen=True)
class Data:
    """Training samples and held-out samples: images [N, 1, H, W] from 0 to 1, classes [N]."""

    images: Tensor
    classes: Tensor
    held_out_images: Tensor
    held_out_classes: Tensor


def load(name: str, count: int | None, seed: int) -> Data:
    """Return `fashion` at 14×14 or `digits` at 8×8, with `count` training samples drawn by `seed`.

    The held-out samples are the digits that were not drawn, or Fashion-MNIST's test images.
    """
    generator = torch.Generator().manual_seed(seed)
    if name == "digits":
        images, classes = _digits()
        order = torch.randperm(len(images), generator=generator)
        train, test = order[: count or DIGITS_TRAINED], order[count or DIGITS_TRAINED :]
        return Data(images[train], classes[train], images[test], classes[test])
    images, classes = _fashion("train")
    drawn = torch.randperm(len(images), generator=generator)[:count]
    return Data(images[drawn], classes[drawn], *_fashion("t10k"))


@cache
def _digits() -> tuple[Tensor, Tensor]:
    images, classes = digits()
    return torch.from_numpy(images).float() / 16, torch.from_numpy(classes)


@cache
def _fashion(part: str) -> tuple[Tensor, Tensor]:
    images = _idx(FASHION / f"{part}-images-idx3-ubyte.gz", header=16)
    classes = _idx(FASHION / f"{part}-labels-idx1-ubyte.gz", header=8)
    pixels = torch.from_numpy(images.reshape(-1, 1, 28, 28)).float() / 255
    return F.avg_pool2d(pixels, 2), torch.from_numpy(classes.astype(np.int64))


def _idx(path: Path, header: int) -> np.ndarray:
    if not path.exists():
        raise SystemExit(
            f"{path} is missing: install Debian's package dataset-fashion-mnist, "
            "or give --data digits."
        )
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header).copy()
