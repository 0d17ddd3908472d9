"""Plans for another architecture: new widths, and what to edit in the source.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.arrays import Ints
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.plans.budget import CostOf, copies_for_widths
from narrows.plans.cost import Cost, channel_count

STEPS = 20
"""Bisections of a factor: fine enough for any width."""
MOST = 16.0
"""The largest factor of `uniform`, whose budget may have to go into few groups."""


@dataclass(frozen=True)
class Edit:
    """Set `module.attribute` to another number of channels."""

    module: str
    attribute: str
    before: int
    after: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "module": self.module,
            "attribute": self.attribute,
            "from": self.before,
            "to": self.after,
        }


@dataclass(frozen=True)
class LayerPlan:
    """A layer's new width and every attribute, also of other modules, that must follow."""

    name: str
    width: int
    new_width: int
    edits: tuple[Edit, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "width": self.width,
            "new_width": self.new_width,
            "edits": [edit.to_dict() for edit in self.edits],
        }


@dataclass(frozen=True)
class Plan:
    """A change of the architecture with what it costs before and after, for one sample.

    `copies` [S] says how often each structure exists afterwards (`surgery.resize` builds it);
    layers whose channels are tied to changed ones change too, and are listed.
    """

    name: str
    copies: Ints
    layers: tuple[LayerPlan, ...]
    before: Cost
    after: Cost

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the API's shape."""
        return {
            "name": self.name,
            "layers": [layer.to_dict() for layer in self.layers],
            "parameters": [self.before.parameters, self.after.parameters],
            "macs": [self.before.macs, self.after.macs],
            "artifact": None,
        }


@dataclass(frozen=True)
class Planner:
    """Makes plans for one network from the ranks of its structures and what was said of them.

    A wider network can go on computing what it did (`surgery.resize`), but for one case: a norm
    over channels, such as a layer norm, keeps its statistics only if all that it reads is copied
    equally often. `double` does that, unless the norm reads other groups, too; `uniform` leaves
    such channels alone where there are others to widen; `reallocate` and factors of your own come
    as they are. `surgery.verify` says by how much a network is off, and why.
    """

    channels: Channels
    rank: Ints
    cost_of: CostOf

    def double(self, bottlenecks: Collection[int]) -> Plan:
        """Return the paper's expansion: every bottleneck group twice as wide."""
        return self._plan("double", {group: 2 * self._width(group) for group in bottlenecks})

    def uniform(self, bottlenecks: Collection[int]) -> Plan:
        """Return the paper's baseline: every group wider by one factor, for what `double` adds.

        Groups that norms over channels read stay as they are, unless there are no others.
        """
        budget = self.double(bottlenecks).after.parameters
        every = set(self.channels.groups.tolist())
        groups = (every - self.channels.normalized_groups()) or every

        def widths(factor: float) -> dict[int, int]:
            return {group: int(factor * self._width(group)) for group in sorted(groups)}

        def fits(factor: float) -> bool:
            return self.cost_of(self._copies(widths(factor))).parameters <= budget

        return self._plan("uniform", widths(_largest(fits, low=1.0, high=MOST)))

    def reallocate(self, bottlenecks: Collection[int], redundant: Collection[int]) -> Plan:
        """Return bottlenecks wider (at most doubled) and redundant groups leaner, MACs unchanged.

        Redundant groups give at most half of their channels. Without either kind nothing changes.
        """
        if not bottlenecks or not redundant:
            return self._plan("reallocate", {})

        def widths(more: float, less: float) -> dict[int, int]:
            wider = {g: round(more * self._width(g)) for g in bottlenecks}
            leaner = {g: max(1, round(less * self._width(g))) for g in redundant}
            return wider | leaner

        budget = self.cost_of(self._copies({})).macs

        def fits(more: float, less: float) -> bool:
            return self.cost_of(self._copies(widths(more, less))).macs <= budget

        more = _largest(lambda factor: fits(factor, 0.5), low=1.0, high=2.0)
        less = _largest(lambda factor: fits(more, factor), low=0.5, high=1.0)
        return self._plan("reallocate", widths(more, less))

    def custom(self, factors: Mapping[int, float], name: str = "custom") -> Plan:
        """Return a plan that multiplies the widths of groups by factors of your own."""
        return self._plan(name, {g: max(1, round(f * self._width(g))) for g, f in factors.items()})

    def resized(self, name: str, copies: Ints) -> Plan:
        """Return the plan that makes so many copies of each structure."""
        return Plan(
            name,
            copies,
            _layer_plans(self.channels, copies),
            self.cost_of(np.ones_like(copies)),
            self.cost_of(copies),
        )

    def _plan(self, name: str, widths: dict[int, int]) -> Plan:
        return self.resized(name, self._copies(widths))

    def _copies(self, widths: dict[int, int]) -> Ints:
        return copies_for_widths(self.channels, self.rank, widths)

    def _width(self, group: int) -> int:
        return int(np.count_nonzero(self.channels.groups == group))


def _largest(fits: Callable[[float], bool], low: float, high: float) -> float:
    """Return the largest factor found to fit by bisection; `low` is taken to fit."""
    if fits(high):
        return high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _layer_plans(channels: Channels, copies: Ints) -> tuple[LayerPlan, ...]:
    """List the layers that `copies` changes; an edit stands with the first that calls for it."""
    plans = []
    seen: set[tuple[str, str]] = set()
    for layer in channels.layers:
        own = layer.structures[layer.structures != NO_STRUCTURE]
        changed = np.unique(own[copies[own] != 1])
        if not len(changed):
            continue
        edits = []
        for attribute in channels.attributes:
            touched = np.isin(channels.structure_of[attribute.labels], changed).any()
            if touched and (key := (attribute.module, attribute.name)) not in seen:
                seen.add(key)
                after = channel_count(channels, attribute.labels, copies)
                edits.append(Edit(*key, before=len(attribute.labels), after=after))
        new_width = layer.width + int((copies[own] - 1).sum())
        plans.append(LayerPlan(layer.name, layer.width, new_width, tuple(edits)))
    return tuple(plans)
