"""Trains one network with many seeds at once: `torch.vmap` over their stacked parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from benchmarks.architecture import Architecture
from benchmarks.data import Data
from benchmarks.gain_architectures import build, initialise
from benchmarks.samples_last import put_samples_last

CALIBRATED = 10
"""The training batches that the statistics of batch norms are averaged over."""


@dataclass(frozen=True)
class Schedule:
    """How a network is trained: AdamW, by a learning rate that rises and falls (OneCycleLR)."""

    samples: int
    epochs: int
    batch: int
    peak_rate: float
    weight_decay: float = 1e-2

    @property
    def steps(self) -> int:
        return self.epochs * (self.samples // self.batch)

    def batches(self, seed: int) -> Tensor:
        """Return the samples of each step, [steps, batch]."""
        generator = torch.Generator().manual_seed(seed)
        full = self.samples // self.batch * self.batch
        drawn = [
            torch.randperm(self.samples, generator=generator)[:full] for _ in range(self.epochs)
        ]
        return torch.cat(drawn).view(-1, self.batch)


def fit(
    architecture: Architecture, schedule: Schedule, data: Sequence[Data], seeds: Sequence[int]
) -> list[nn.Module]:
    """Return the trained networks in eval mode, one for each seed, with its data.

    The statistics of batch norms are not the moving averages of the training, which `vmap` can't
    keep, but those of the trained weights over CALIBRATED batches. The dtype is that of the images.
    """
    dtype = data[0].images.dtype
    networks = [initialise(build(architecture), seed).to(dtype) for seed in seeds]
    orders = torch.stack([schedule.batches(seed) for seed in seeds])
    trained = _fit_stacked(architecture, schedule, networks, data, orders)
    for index, (network, order, of_seed) in enumerate(zip(networks, orders, data, strict=True)):
        state = {name: values[index].detach().clone() for name, values in trained.items()}
        network.load_state_dict(state, strict=False)  # running statistics are not trained
        _calibrate(network, of_seed.images[order[:CALIBRATED].flatten()], schedule.batch)
    return networks


def _fit_stacked(
    architecture: Architecture,
    schedule: Schedule,
    networks: Sequence[nn.Module],
    data: Sequence[Data],
    orders: Tensor,
) -> dict[str, Tensor]:
    """Return the trained parameters, each stacked over seeds; `orders` is [seeds, steps, batch]."""
    stacked, _ = stack_module_state(list(networks))
    parameters = {name: values.detach().requires_grad_() for name, values in stacked.items()}
    skeleton = put_samples_last(build(architecture)).to(orders.device)

    def forward(values: dict[str, Tensor], images: Tensor) -> Tensor:
        logits: Tensor = functional_call(skeleton, values, (images,))
        return logits

    of_all_seeds = torch.vmap(forward)
    optimizer = torch.optim.AdamW(
        parameters.values(), schedule.peak_rate, weight_decay=schedule.weight_decay, foreach=True
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.peak_rate, total_steps=schedule.steps
    )
    images, classes = (torch.stack([getattr(d, x) for d in data]) for x in ("images", "classes"))
    rows = torch.arange(len(networks))[:, None]
    for step in range(schedule.steps):
        chosen = orders[:, step]
        optimizer.zero_grad()
        logits = of_all_seeds(parameters, images[rows, chosen])
        # the sum over seeds of their mean losses, so that no seed changes another's gradient
        loss = F.cross_entropy(
            logits.flatten(0, 1), classes[rows, chosen].flatten(), reduction="sum"
        )
        torch.autograd.backward(loss / schedule.batch)
        optimizer.step()
        rates.step()
    return parameters


@torch.no_grad()
def _calibrate(network: nn.Module, images: Tensor, batch: int) -> None:
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain average over batches
    network.train()
    for part in torch.split(images, batch) if norms else ():
        network(part)
    network.eval()


@torch.no_grad()
def evaluate(network: nn.Module, images: Tensor, classes: Tensor) -> tuple[float, float]:
    """Return the mean loss of a sample, and the share of samples that are right."""
    logits = torch.cat([network(part) for part in torch.split(images, 1000)])
    right = (logits.argmax(1) == classes).double().mean()
    return float(F.cross_entropy(logits.double(), classes)), float(right)
