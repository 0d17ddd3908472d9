"""Trains small networks by seed, and stores them."""

import hashlib
import io
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import platformdirs
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.data import Data, load
from benchmarks.small_networks import SmallNetwork, build

CACHE = Path(
    os.environ.get("NARROWS_BENCHMARKS") or platformdirs.user_cache_path("narrows") / "benchmarks"
)
VERSION = 1
"""Raise this after a change that makes the same recipe give another network."""


@dataclass(frozen=True)
class Recipe:
    """All that determines a trained network; `seed` draws data, initial weights and order."""

    architecture: str
    widths: tuple[int, ...]
    data: str
    seed: int
    samples: int
    epochs: int
    batch: int = 128
    peak_rate: float = 1e-2
    weight_decay: float = 1e-2

    @property
    def path(self) -> Path:
        content = json.dumps({**asdict(self), "version": VERSION}, sort_keys=True)
        return CACHE / "networks" / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.pt"

    @property
    def steps(self) -> int:
        return self.epochs * (self.samples // self.batch)

    def load_data(self) -> Data:
        return load(self.data, self.samples, self.seed)


@dataclass(frozen=True)
class Trained:
    """A network in eval mode, its mean loss on training and held-out samples, and its accuracy."""

    network: SmallNetwork
    train_loss: float
    loss: float
    accuracy: float


def train(recipe: Recipe) -> None:
    """Train a network and store it, unless it is already stored. A stop leaves no partial file."""
    if recipe.path.exists():
        return
    torch.set_num_threads(1)
    data = recipe.load_data()
    network = _fit(recipe, data)
    train_loss, _ = _evaluate(network, data.images, data.classes)
    loss, accuracy = _evaluate(network, data.held_out_images, data.held_out_classes)
    results = {"train_loss": train_loss, "loss": loss, "accuracy": accuracy}
    content = io.BytesIO()
    torch.save(
        {"recipe": asdict(recipe), "results": results, "weights": network.state_dict()}, content
    )
    write(recipe.path, content.getvalue())


def read(recipe: Recipe) -> Trained:
    """Return the network that `train` has stored."""
    stored = torch.load(recipe.path, weights_only=True)
    network = build(recipe.architecture, recipe.widths).eval()
    network.load_state_dict(stored["weights"])
    return Trained(network, **stored["results"])


def _fit(recipe: Recipe, data: Data) -> SmallNetwork:
    """Train by AdamW; the learning rate rises, and then falls to almost zero."""
    torch.manual_seed(recipe.seed)
    network = build(recipe.architecture, recipe.widths)
    # torch 2.14's types know memory formats, those before do not
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.peak_rate, weight_decay=recipe.weight_decay, foreach=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_rate, total_steps=recipe.steps
    )
    for batch in _batches(recipe, len(data.images)):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(data.images[batch]), data.classes[batch])
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, unused-ignore]
    return network.eval()


def _batches(recipe: Recipe, count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(recipe.seed)
    full = recipe.samples // recipe.batch * recipe.batch
    return [
        batch
        for _ in range(recipe.epochs)
        for batch in torch.split(torch.randperm(count, generator=generator)[:full], recipe.batch)
    ]


@torch.no_grad()
def _evaluate(network: SmallNetwork, images: Tensor, classes: Tensor) -> tuple[float, float]:
    logits = torch.cat([network(part) for part in torch.split(images, 500)])
    right = (logits.argmax(1) == classes).double().mean()
    return float(F.cross_entropy(logits.double(), classes)), float(right)


def write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
