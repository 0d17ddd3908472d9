"""Networks whose layers are widened in turn, at equal added parameters, to see what that gains."""

from dataclasses import dataclass, replace
from itertools import count

import torch

from benchmarks.planted_networks import RECIPES as PLANTED
from benchmarks.planted_networks import narrowed, recipe_for
from benchmarks.small_networks import build
from benchmarks.training import Recipe

UNIFORM = 1.125
"""The factor for all widths whose added parameters every other variant adds too."""
SEEDS = {"fashion": 1, "digits": 2}
"""How many seeds to train for each that is asked for: what digits gain is noisier, and cheaper."""
RECIPES = PLANTED | {
    "fashion": {"samples": 60000, "epochs": 2, "batch": 128, "peak_rate": 3e-2},
}
"""Three times the steps that planting takes. With as few, or in one epoch at batches of 64, gains
spread by 0.01 to 0.04 between seeds; so, by 0.006, and two layers' difference by 0.003."""

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
"""Data, architecture and widths; any first few are a sample of all."""


@dataclass(frozen=True)
class Study:
    """A network and its variants: `layers[i]` has layer i + 1 widened, `uniform` all of them."""

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
    with torch.device("meta"):
        return sum(p.numel() for p in build(architecture, widths).parameters())


def _study(base: Recipe, seeds: int) -> Study:
    uniform = tuple(round(UNIFORM * width) for width in base.widths)
    goal = parameters(base.architecture, uniform)
    layers = (_widen(base, layer, goal) for layer in range(len(base.widths)))
    return Study(base, tuple(layers), replace(base, widths=uniform), seeds)


def _widen(base: Recipe, layer: int, goal: int) -> Recipe:
    """Return the recipe whose parameters come closest to `goal`, by widening one layer."""
    best = base.widths
    for width in count(base.widths[layer] + 1):
        wider = (*base.widths[:layer], width, *base.widths[layer + 1 :])
        if _off(base, wider, goal) > _off(base, best, goal):
            return replace(base, widths=best)
        best = wider
    raise AssertionError("count() never ends")


def _off(base: Recipe, widths: tuple[int, ...], goal: int) -> int:
    return abs(parameters(base.architecture, widths) - goal)
