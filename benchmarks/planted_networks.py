"""Networks with planted layers that are narrower than their neighbours, and networks without."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.small_networks import ARCHITECTURES, DEPTH
from benchmarks.training import Recipe

WIDTH = 20
SHARES = (0.25, 0.4, 0.6)
PAIRS = ((1, 4), (2, 5))
EQUAL = (20, 20, 20, 20, 12, 12)
"""The widths of networks without a narrow layer, one for each seed."""
GROWING = ((8, 8, 16, 16, 32, 32), (10, 14, 18, 22, 26, 30))
RECIPES: dict[str, dict[str, Any]] = {
    "fashion": {"samples": 20000, "epochs": 2, "batch": 128, "peak_rate": 3e-2},
    "digits": {
        "samples": 1200,
        "epochs": 24,
        "batch": 100,
        "peak_rate": 2e-2,
        "weight_decay": 0.3,
    },
}


@dataclass(frozen=True)
class Planted:
    """A network, and its `narrow` layers (from 1) at a `share` of their neighbours' width."""

    recipe: Recipe
    setting: str
    narrow: tuple[int, ...] = ()


def planted_networks() -> list[Planted]:
    """Return all networks, shuffled, so that the first N are a random sample of all."""
    networks = [
        Planted(recipe_for(data, architecture, widths, seed), setting, narrow)
        for data in RECIPES
        for architecture in ARCHITECTURES
        for setting, widths, narrow, seed in _shapes()
    ]
    random.Random(0).shuffle(networks)
    return networks


def recipe_for(
    data: str,
    architecture: str,
    widths: tuple[int, ...],
    seed: int,
    recipes: Mapping[str, Mapping[str, Any]] = RECIPES,
) -> Recipe:
    return Recipe(architecture, widths, data, seed, **recipes[data])


def narrowed(narrow: tuple[int, ...], share: float, width: int = WIDTH) -> tuple[int, ...]:
    """Return the widths: `width`, but `share * width` for the layers `narrow` (from 1)."""
    return tuple(round(share * width) if n in narrow else width for n in range(1, DEPTH + 1))


def _shapes() -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...], int]]:
    for share in SHARES:
        for layer in range(1, DEPTH + 1):
            yield f"one at {share:.0%}", narrowed((layer,), share), (layer,), layer
    for share in SHARES[:2]:
        for seed, pair in enumerate(PAIRS):
            yield f"two at {share:.0%}", narrowed(pair, share), pair, seed
    for seed, width in enumerate(EQUAL):
        yield "none", (width,) * DEPTH, (), seed
    for seed in range(2):
        for widths in GROWING:
            yield "none, growing", widths, (), seed
