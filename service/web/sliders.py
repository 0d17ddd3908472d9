"""Factors for the widths of layers, as sliders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from narrows.report import texts
from narrows.report.layer import LayerView
from narrows.report.stages import by_stage
from service.web.forms import Fields, number, text

FIRST: Final = 12
"""How many sliders are shown at once, if no more stand out; the others are folded."""
URGENCY: Final = (*texts.GLYPHS,)


@dataclass(frozen=True)
class Slider:
    """The factor of a layer and of the `tied` others that share its channels."""

    layer: LayerView
    tied: int
    factor: str

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.layer.name

    @property
    def stands_out(self) -> bool:
        """Whether it was moved, or its layer may want to be wider."""
        return self.factor != "1" or self.layer.verdict in ("bottleneck", "suspected")


def sliders(
    layers: Iterable[LayerView], fields: Fields
) -> tuple[Sequence[Slider], Sequence[tuple[str, Sequence[Slider]]]]:
    """Return the sliders to show at once, and the others by stage, in the network's order.

    Layers that share their channels have one, at the layer whose verdict is the most urgent.
    """
    groups: dict[int, list[LayerView]] = {}
    for layer in layers:
        if layer.row["group"] is not None:
            groups.setdefault(layer.row["group"], []).append(layer)
    found = [_slider(tied, fields) for tied in groups.values()]
    count = max(FIRST, sum(one.stands_out for one in found))
    first = {one.name for one in sorted(found, key=_order)[:count]}
    others = [one for one in found if one.name not in first]
    return [one for one in found if one.name in first], by_stage(others)


def _slider(tied: Sequence[LayerView], fields: Fields) -> Slider:
    urgent = min(tied, key=lambda layer: URGENCY.index(layer.verdict))
    moved = (text(fields, f"factor-{layer.index}") for layer in tied)
    return Slider(urgent, len(tied) - 1, next(filter(None, moved), "1"))


def _order(slider: Slider) -> tuple[bool, float]:
    """Return what those have the least of that are to be seen first."""
    return not slider.stands_out, slider.layer.row["widen_rank"] or inf


def factors_of(fields: Fields, names: Sequence[str]) -> dict[str, float | str]:
    """Return the factors of the sliders that were moved, by the names of their layers."""
    typed = {
        name: number(float, text(fields, f"factor-{index}"))
        for index, name in enumerate(names)
        if f"factor-{index}" in fields
    }
    return {name: factor for name, factor in typed.items() if factor != 1}
