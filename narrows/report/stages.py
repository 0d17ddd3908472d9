"""Stages: neighbouring layers with a common name prefix, so that 400 layers can be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeVar

from narrows.report.layer import LayerView

MOST = 40
"""A stage of more layers is divided."""
ALONE, ENOUGH = 2, 20
"""A stage of fewer layers is joined with its neighbour: at the top, and within a long one."""


class Named(Protocol):
    """A layer, or what is said of one: its name has a part for each module around it."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Stage:
    """Neighbouring layers, under the part of their names that they have in common."""

    name: str
    layers: Sequence[LayerView]

    @property
    def is_open(self) -> bool:
        """Whether something in it wants to be seen."""
        return any(layer.verdict in ("bottleneck", "suspected") for layer in self.layers)

    @property
    def widths(self) -> str:
        """The smallest and the largest width."""
        widths = [layer.row["width"] for layer in self.layers]
        low, high = min(widths), max(widths)
        return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def stages(layers: Sequence[LayerView]) -> list[Stage]:
    """Return the layers in stages, in the network's order; a small network is one stage."""
    return [Stage(title or "All layers", part) for title, part in by_stage(layers)]


def by_stage(layers: Sequence[N]) -> list[tuple[str, Sequence[N]]]:
    """Return the layers in stages, each with its title; few are one stage, without a title."""
    if len(layers) <= MOST:
        return [("", layers)] if layers else []
    return [(_title(part), part) for part in _joined(_divided(layers, 0), ALONE)]


def _divided(layers: Sequence[N], depth: int) -> list[list[N]]:
    """Return runs of layers with the same name up to `depth`, divided further where too long."""
    result: list[list[N]] = []
    for _, run in groupby(layers, lambda layer: layer.name.split(".")[: depth + 1]):
        part = list(run)
        if len(part) <= MOST:
            result.append(part)
        elif depth < max(layer.name.count(".") for layer in part):
            result += _joined(_divided(part, depth + 1), ENOUGH)
        else:
            result += [part[i : i + MOST] for i in range(0, len(part), MOST)]
    return result


def _joined(parts: list[list[N]], least: int) -> list[list[N]]:
    """Return the parts, those of fewer than `least` layers joined with a neighbour."""
    result: list[list[N]] = []
    for part in parts:
        if result and min(len(result[-1]), len(part)) < least and len(result[-1] + part) <= MOST:
            result[-1] = result[-1] + part
        else:
            result.append(part)
    return result


def _title(layers: Sequence[Named]) -> str:
    """Return what the names have in common, and from where to where they go.

    The names `net.0.conv1` … `net.7.conv2` give `net.0–7`.
    """
    names = [layer.name.split(".") for layer in layers]
    same = 0
    for parts in zip(*names, strict=False):
        if len(set(parts)) > 1:
            break
        same += 1
    first, last = (".".join(name[same : same + 1]) for name in (names[0], names[-1]))
    return ".".join(names[0][:same] + ([f"{first}–{last}"] if first != last else []))
