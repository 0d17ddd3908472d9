"""A network for 8x8 digits, its data and its training."""

from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

TRAINED = 1500
BATCH, EPOCHS = 50, 8
PEAK_RATE = 4e-3


class DigitsNet(nn.Module):
    """Convolutions of the given widths, `conv1`, `conv2`, …, each with norm and ReLU; a `head`."""

    def __init__(self, widths: Sequence[int] = (32, 32, 32, 32, 32)) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for number, (before, width) in enumerate(zip((1, *widths), widths, strict=False), start=1):
            conv = nn.Conv2d(before, width, kernel_size=3, padding=1, bias=False)
            self.features.add_module(f"conv{number}", conv)
            self.features.add_module(f"bn{number}", nn.BatchNorm2d(width))
            self.features.add_module(f"relu{number}", nn.ReLU())
            if number == 3:
                self.features.add_module("pool", nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return scikit-learn's 1,797 digits: images [N, 1, 8, 8] of 0 to 16, and classes [N]."""
    with as_file(files("worker.demo") / "digits.npz") as path, np.load(path) as arrays:
        return arrays["x"], arrays["y"].astype(np.int64)


def train(network: DigitsNet, seed: int = 0) -> Iterator[float]:
    """Train on the first 1,500 digits; yield the accuracy on the others after each epoch."""
    x, y = digits()
    images, classes = torch.from_numpy(x).float() / 16, torch.from_numpy(y)
    steps = EPOCHS * (TRAINED // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        network.train()
        for batch in torch.randperm(TRAINED, generator=generator).view(-1, BATCH):
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(network(images[batch]), classes[batch]))
            optimizer.step()
            schedule.step()
        yield _accuracy(network.eval(), images[TRAINED:], classes[TRAINED:])


@torch.no_grad()
def _accuracy(network: DigitsNet, images: Tensor, classes: Tensor) -> float:
    return float((network(images).argmax(1) == classes).float().mean())
