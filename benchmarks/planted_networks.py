"""Networks with planted layers that are narrower than their neighbours, and networks without."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.architecture import ACTIVATIONS, Architecture
from benchmarks.gain_convolutions import STARTS
from benchmarks.gain_networks import RATES
from benchmarks.stacked_training import Schedule

ROUNDS = 10
SCHEDULES = {
    "fashion": Schedule(samples=8000, epochs=3, batch=128, peak_rate=2e-2),
    "fashion8": Schedule(samples=8000, epochs=3, batch=128, peak_rate=2e-2),
    "mnist": Schedule(samples=3500, epochs=7, batch=100, peak_rate=2e-2),
    "digits": Schedule(samples=1200, epochs=20, batch=100, peak_rate=2e-2, weight_decay=0.3),
}
IMAGES = {
    "plain": ("fashion8", "digits", "mnist", "fashion"),
    "residual": ("fashion8", "digits", "mnist", "fashion"),
    "separable": ("fashion8", "digits", "mnist", "fashion"),
    "mlp": ("fashion8", "digits", "mnist"),
    "transformer": ("fashion8", "digits", "mnist"),
}
"""The data sets of each kind; perceptrons and transformers are written for 8×8 images."""
DEPTHS = {"plain": (4, 8), "residual": (5, 8), "separable": (4, 7), "mlp": (4, 7)}
WIDTHS = {"plain": (10, 16), "residual": (10, 16), "separable": (12, 18), "mlp": (12, 32)}
NONE, GROWING, ONE, INSIDE, WIDER, TWO = (
    "none",
    "none, growing fourfold",
    "one at 25 %",
    "one at 25 %, inside a block",
    "one at 40 %",
    "two at 25 %",
)
ROUND = (
    *((ONE, kind) for kind in ("plain", "separable", "mlp", "residual")),
    *((INSIDE, kind) for kind in ("residual", "residual", "transformer")),
    *((NONE, kind) for kind in (*IMAGES, "transformer")),
    *((TWO, kind) for kind in ("plain", "mlp")),
    *((WIDER, kind) for kind in ("plain", "separable")),
    *((GROWING, kind) for kind in ("plain", "residual", "separable")),
)
"""The settings and kinds of the networks of each round."""


@dataclass(frozen=True)
class Planted:
    """A network, and its `narrow` layers (from 1) at a share of their neighbours' width."""

    data: str
    architecture: Architecture
    setting: str
    narrow: tuple[int, ...] = ()

    @property
    def schedule(self) -> Schedule:
        schedule = SCHEDULES[self.data]
        return replace(schedule, peak_rate=RATES.get(self.architecture.kind, schedule.peak_rate))

    @property
    def name(self) -> str:
        base = self.architecture
        kernel = "" if base.kind in ("mlp", "transformer") else str(base.kernel)
        widths = ".".join(map(str, base.widths))
        return f"{self.data}-{base.kind}{kernel}-{base.activation}-{widths}"


@cache
def planted_networks() -> tuple[Planted, ...]:
    """Return the networks of all rounds; those of the first rounds do not depend on later ones."""
    return tuple(network for number in range(ROUNDS) for network in _round(number))


def _round(number: int) -> Iterator[Planted]:
    for place, (setting, kind) in enumerate(ROUND):
        draw = random.Random(1000 * number + place)
        data = IMAGES[kind][(number + place) % len(IMAGES[kind])]
        widths = _transformer(draw) if kind == "transformer" else _chain(draw, kind, setting)
        narrow = _narrow(draw, setting, kind, len(widths))
        share = 0.4 if setting == WIDER else 0.25
        shrunk = [max(1, round(share * w)) if n in narrow else w for n, w in enumerate(widths, 1)]
        activation = draw.choice(tuple(ACTIVATIONS)) if kind != "transformer" else "gelu"
        kernel = draw.choice((3, 3, 3, 3, 3, 5)) if data != "fashion" else 3
        architecture = Architecture(kind, tuple(shrunk), activation, kernel)
        yield Planted(data, architecture, setting, narrow)


def _chain(draw: random.Random, kind: str, setting: str) -> list[int]:
    """Return equal widths, or in a third of the networks widths that grow or shrink twofold."""
    depth, width = draw.randint(*DEPTHS[kind]), draw.randint(*WIDTHS[kind])
    if setting == GROWING:
        return [round(width / 2 * 4 ** (n / (depth - 1))) for n in range(depth)]
    slope = draw.choice((0, 0, 0, 0, 1, -1))
    return [round(width * (1 + slope * (n / (depth - 1) - 0.5) / 1.5)) for n in range(depth)]


def _transformer(draw: random.Random) -> list[int]:
    """Return the width of the stream, and the heads and inner width of each block."""
    stream, inner, blocks = draw.randint(12, 24), draw.randint(16, 32), draw.randint(2, 3)
    return [stream, *(4, inner) * blocks]


def _narrow(draw: random.Random, setting: str, kind: str, depth: int) -> tuple[int, ...]:
    if setting in (NONE, GROWING):
        return ()
    inside = kind == "transformer" or setting == INSIDE
    can: Sequence[int] = [n for n in range(1, depth + 1) if n not in STARTS]
    if kind == "transformer":
        can = range(3, depth + 1, 2)  # the inner widths
    elif kind != "residual" or not inside:
        can = STARTS if kind == "residual" else range(1, depth + 1)
        can = [n for n in can if n <= depth]
    if setting == TWO:
        first = draw.randint(1, depth - 2)
        return first, draw.randint(first + 2, depth)
    return (draw.choice(can),)
