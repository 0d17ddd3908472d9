"""Networks for `benchmarks.gains`: each layer is widened in turn, at equal added parameters."""

from dataclasses import dataclass, replace
from itertools import count

import torch

from benchmarks.planted_networks import RECIPES as PLANTED
from benchmarks.planted_networks import narrowed, recipe_for
from benchmarks.small_networks import build
from benchmarks.training import Recipe

UNIFORM = 1.125
"""The factor for all widths of the variant `uniform`; all variants add as many parameters."""
SEEDS = {"fashion": 1, "digits": 2}
"""The seeds to train for each requested seed: gains on digits are noisier, and cheaper to train."""
RECIPES = PLANTED | {
    "fashion": {"samples": 60000, "epochs": 2, "batch": 128, "peak_rate": 3e-2},
}
"""Three times as many steps as in `benchmarks.planted`. With as few as there, or with one epoch of
batches of 64, gains differ by 0.01 to 0.04 between seeds. With these steps, gains differ by 0.006,
and the difference of two layers by 0.003."""

NETWORKS = (
    ("fashion", "plain", narrowed((), 1, 8)),
    ("digits", "plain", narrowed((4,), 0.25, 8)),
    ("fashion", "residual", narrowed((3,), 0.3, 10)),
    ("digits", "residual", narrowed((1,), 0.25, 8)),
    ("fashion", "separable", narrowed((2,), 0.25, 12)),
    ("digits", "separable", narrowed((3,), 0.25, 12)),
    ("fashion", "plain", (4, 4, 8, 8, 16, 16)),
    ("digits", "plain", narrowed((), 1, 8)),
    ("fashion", "plain", narrowed((4,), 0.3, 10)),
    ("digits", "plain", (4, 4, 8, 8, 16, 16)),
    ("fashion", "residual", (4, 4, 8, 8, 8, 16)),
    ("digits", "plain", narrowed((6,), 0.25, 8)),
    ("fashion", "separable", (6, 6, 12, 12, 24, 24)),
    ("digits", "residual", narrowed((), 1, 8)),
    ("fashion", "plain", narrowed((1,), 0.3, 10)),
    ("digits", "separable", (6, 6, 12, 12, 24, 24)),
    ("fashion", "residual", narrowed((2,), 0.3, 10)),
    ("fashion", "separable", narrowed((4,), 0.25, 12)),
    ("fashion", "plain", narrowed((6,), 0.3, 10)),
    ("fashion", "residual", narrowed((), 1, 8)),
    ("fashion", "separable", narrowed((), 1, 12)),
    ("fashion", "plain", narrowed((2, 5), 0.3, 10)),
)
"""Data, architecture and widths; the first N are a mixed sample of all, for any N."""


@dataclass(frozen=True)
class Study:
    """A network and its variants: in `layers[i]`, layer i + 1 is wider; in `uniform`, all are."""

    base: Recipe
    layers: tuple[Recipe, ...]
    uniform: Recipe
    seeds: int

    def recipes(self, seed: int) -> list[Recipe]:
        return [replace(r, seed=seed) for r in (self.base, self.uniform, *self.layers)]


def studies(limit: int | None, seeds: int) -> list[Study]:
    return [
        _study(recipe_for(data, architecture, widths, 0, RECIPES), seeds * SEEDS[data])
        for data, architecture, widths in NETWORKS[:limit]
    ]


def parameters(architecture: str, widths: tuple[int, ...]) -> int:
    """Return the number of parameters of a network."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(architecture, widths).parameters())


def _study(base: Recipe, seeds: int) -> Study:
    uniform = tuple(round(UNIFORM * width) for width in base.widths)
    goal = parameters(base.architecture, uniform)
    layers = (_widen(base, layer, goal) for layer in range(len(base.widths)))
    return Study(base, tuple(layers), replace(base, widths=uniform), seeds)


def _widen(base: Recipe, layer: int, goal: int) -> Recipe:
    """Return the recipe with one layer widened so that the parameters come closest to `goal`."""
    best = base.widths
    for width in count(base.widths[layer] + 1):
        wider = (*base.widths[:layer], width, *base.widths[layer + 1 :])
        if _off(base, wider, goal) > _off(base, best, goal):
            return replace(base, widths=best)
        best = wider
    raise AssertionError("count() never ends")


def _off(base: Recipe, widths: tuple[int, ...], goal: int) -> int:
    return abs(parameters(base.architecture, widths) - goal)
