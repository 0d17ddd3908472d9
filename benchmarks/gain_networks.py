"""Networks for `benchmarks.gains`: each layer is widened in turn, at equal added parameters."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from math import floor

import torch

from benchmarks.architecture import Architecture
from benchmarks.gain_architectures import build
from benchmarks.stacked_training import Schedule

UNIFORM = 1.2
"""The factor for all widths of the variant `uniform`; all variants add as many parameters.

These networks are small, so a smaller factor would often add no channel at all."""
SCHEDULES = {
    "fashion8": Schedule(samples=20000, epochs=2, batch=128, peak_rate=2e-2),
    "mnist": Schedule(samples=3500, epochs=10, batch=100, peak_rate=2e-2),
    "digits": Schedule(samples=1200, epochs=20, batch=100, peak_rate=2e-2, weight_decay=0.3),
}
RATES = {"mlp": 1e-2, "transformer": 1e-2}
"""The peak rate of kinds without batch norm."""
TOGETHER = {"mlp": 24}
"""The seeds that are trained at once, by kind; other kinds have 4. Digits are cheap: twice that."""


def _of(kind: str, *widths: int, activation: str = "relu", kernel: int = 3) -> Architecture:
    return Architecture(kind, widths, activation, kernel)


NETWORKS = (
    ("fashion8", _of("plain", 6, 6, 6, 6, 6, 6)),
    ("fashion8", _of("mlp", 12, 12, 12, 12, 12)),
    ("mnist", _of("residual", 4, 4, 6, 6, 6, 8, 8)),
    ("digits", _of("separable", 8, 8, 8, 2, 8)),
    ("fashion8", _of("transformer", 12, 3, 16, 3, 16, activation="gelu")),
    ("fashion8", _of("plain", 8, 8, 8, 2, 8, 8)),
    ("fashion8", _of("residual", 6, 6, 6, 6, 6, 6)),
    ("fashion8", _of("separable", 10, 10, 10, 10, 10, 10)),
    ("fashion8", _of("mlp", 16, 16, 3, 16, activation="gelu")),
    ("mnist", _of("plain", 6, 6, 6, 6, 6, activation="tanh")),
    ("mnist", _of("transformer", 16, 2, 8, 2, 8)),
    ("mnist", _of("mlp", 10, 10, 10, 10, activation="tanh")),
    ("mnist", _of("separable", 6, 8, 10, 12)),
    ("digits", _of("plain", 6, 6, 6, 6)),
    ("digits", _of("residual", 6, 6, 6, 6, activation="gelu")),
    ("digits", _of("mlp", 8, 8, 8, 8, 8)),
    ("digits", _of("transformer", 8, 2, 12, 2, 12, activation="gelu")),
    ("fashion8", _of("plain", 4, 4, 6, 6, 10, 10, activation="gelu")),
    ("fashion8", _of("plain", 12, 10, 8, 6, 4, activation="silu")),
    ("fashion8", _of("plain", 5, 5, 5, 5, 5, activation="gelu", kernel=5)),
    ("fashion8", _of("plain", 6, 6, 2, 6, kernel=5)),
    ("fashion8", _of("plain", 5, 5, 5, 5, 5, 5, 5, 5)),
    ("fashion8", _of("residual", 6, 2, 6, 6, 6, 6)),
    ("fashion8", _of("residual", 6, 6, 2, 6, 6, 6, activation="silu")),
    ("fashion8", _of("separable", 10, 10, 3, 10, 10, activation="gelu")),
    ("fashion8", _of("mlp", 24, 16, 12, 8, 6)),
    ("fashion8", _of("mlp", 6, 8, 10, 12, 14, 16, activation="silu")),
    ("fashion8", _of("transformer", 12, 3, 3, 3, 16, activation="gelu")),
    ("mnist", _of("plain", 8, 2, 8, 8, activation="leaky")),
    ("mnist", _of("plain", 4, 6, 8, 10, activation="gelu", kernel=5)),
    ("mnist", _of("residual", 6, 6, 6, 2, 6)),
    ("mnist", _of("separable", 12, 10, 8, 6, 4, activation="silu")),
    ("mnist", _of("mlp", 12, 12, 3, 12, 12, 12)),
    ("digits", _of("plain", 10, 8, 6, 4, 4, activation="gelu")),
    ("digits", _of("mlp", 16, 4, 16, 4, activation="tanh")),
)
"""Data and architecture; equal, growing and shrinking widths, and planted narrow layers."""


@dataclass(frozen=True)
class Study:
    """A network and its variants: in `layers[i]`, layer i is wider; in `uniform`, all are."""

    data: str
    base: Architecture
    layers: tuple[Architecture, ...]
    uniform: Architecture
    schedule: Schedule

    @property
    def name(self) -> str:
        base = self.base
        widths = ".".join(map(str, base.widths))
        kernel = "" if base.kind in ("mlp", "transformer") else str(base.kernel)
        return f"{self.data}-{base.kind}{kernel}-{base.activation}-{widths}"

    @property
    def variants(self) -> tuple[Architecture, ...]:
        return (self.base, self.uniform, *self.layers)

    @property
    def seeds_together(self) -> int:
        return TOGETHER.get(self.base.kind, 4) * (2 if self.data == "digits" else 1)


def studies(limit: int | None = None) -> list[Study]:
    return [study(data, base) for data, base in NETWORKS[:limit]]


def study(data: str, base: Architecture) -> Study:
    """Return a network's study; half a channel of the variant `uniform` is rounded up."""
    uniform = replace(base, widths=tuple(floor(UNIFORM * width + 0.5) for width in base.widths))
    goal = parameters(uniform)
    layers = tuple(
        _widen(base, layer, lambda wider: abs(parameters(wider) - goal))
        for layer in range(len(base.widths))
    )
    schedule = SCHEDULES[data]
    rate = RATES.get(base.kind, schedule.peak_rate)
    return Study(data, base, layers, uniform, replace(schedule, peak_rate=rate))


@cache
def parameters(architecture: Architecture) -> int:
    """Return the number of parameters of a network."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(architecture).parameters())


def _widen(base: Architecture, layer: int, off: Callable[[Architecture], int]) -> Architecture:
    """Return the network with one layer widened so far that it is least `off`, by 1 at least."""
    widths = base.widths
    best: Architecture | None = None
    for width in count(widths[layer] + 1):
        wider = replace(base, widths=(*widths[:layer], width, *widths[layer + 1 :]))
        if best is not None and off(wider) > off(best):
            return best
        best = wider
    raise AssertionError("count() never ends")
