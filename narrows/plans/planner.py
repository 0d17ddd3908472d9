"""Plans for another architecture: new widths, and the edits in the source.

See docs/method.md, "From saliencies to verdicts".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.arrays import Ints
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes
from narrows.plans.budget import copies_for_widths, largest_factor
from narrows.plans.cost import Cost, network_cost
from narrows.plans.edits import Change, Edit, edits_for
from narrows.plans.unreachable import Incomplete
from narrows.surgery.channel_counts import ChannelCounts

MOST = 16.0
"""The largest factor of `uniform`, which may have only few groups for its budget."""


@dataclass(frozen=True)
class LayerPlan:
    """A layer's new width, and the edits of all modules that it needs."""

    name: str
    width: int
    new_width: int
    edits: tuple[Edit, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the layer's plan in the API's shape."""
        return {
            "name": self.name,
            "width": self.width,
            "new_width": self.new_width,
            "edits": [edit.to_dict() for edit in self.edits],
        }


@dataclass(frozen=True)
class Plan:
    """A change of the architecture, with the cost for one sample before and after.

    `copies` [S] says how often each structure exists afterwards (`surgery.resize` builds it).
    `layers` are all that change, also because their channels are tied to others. `incomplete` says
    what their edits don't reach: (module, reason) pairs. `because` says what `advise` rests on.
    """

    name: str
    copies: Ints
    layers: tuple[LayerPlan, ...]
    before: Cost
    after: Cost
    incomplete: tuple[Incomplete, ...] = ()
    because: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the API's shape."""
        return {
            "name": self.name,
            "layers": [layer.to_dict() for layer in self.layers],
            "parameters": [self.before.parameters, self.after.parameters],
            "macs": [self.before.macs, self.after.macs],
            "artifact": None,
            "incomplete": [{"module": m, "reason": reason} for m, reason in self.incomplete],
        }


@dataclass(frozen=True)
class Planner:
    """Makes plans for one network from the ranks [S] of its structures.

    A wider network can compute what it did before (`surgery.resize`). The exception is a norm over
    channels, such as a layer norm: it keeps its statistics only if all channels that it reads are
    copied equally often. `double` does that, unless the norm reads other groups, too; `uniform`
    leaves such channels alone if there are others to widen; `reallocate` and factors of your own do
    not avoid it. `surgery.verify` returns the deviation and the reason.

    >>> from narrows.example import two_neurons
    >>> planner = Planner(*two_neurons(), rank=np.array([0, 1]))
    >>> plan = planner.double([0])
    >>> plan.copies, plan.before.parameters, plan.after.parameters
    (array([2, 2]), 4, 8)
    >>> [(edit.module, edit.attribute, edit.after) for edit in plan.layers[0].edits]
    [('hidden', 'out_features', 4), ('output', 'in_features', 4)]
    >>> planner.uniform([0]).copies, planner.custom({0: 1.5}).copies  # the second ranks higher
    (array([2, 2]), array([1, 2]))
    """

    network: Network
    shapes: Shapes
    channels: Channels
    rank: Ints

    def cost_of(self, copies: Ints) -> Cost:
        """Return the cost of the network with `copies` [S] of each structure."""
        return network_cost(self.network, self.shapes, self.channels, copies)

    def double(self, bottlenecks: Collection[int]) -> Plan:
        """Return the paper's expansion: every bottleneck group twice as wide."""
        return self._plan("double", {group: 2 * self.width(group) for group in bottlenecks})

    def uniform(self, bottlenecks: Collection[int]) -> Plan:
        """Return the paper's baseline: every group wider by one factor.

        It has at most the parameters of `double`. Groups that norms over channels read stay as they
        are, unless there are no others.
        """
        return self.uniform_within(self.double(bottlenecks).after.parameters)

    def uniform_within(self, budget: int, name: str = "uniform") -> Plan:
        """Return the plan with every group wider by one factor, and at most `budget` parameters.

        >>> from narrows.example import two_neurons
        >>> Planner(*two_neurons(), rank=np.array([0, 1])).uniform_within(11).after.parameters
        10
        """

        def widths(factor: float) -> dict[int, int]:
            return {group: int(factor * self.width(group)) for group in sorted(self.widenable())}

        def fits(factor: float) -> bool:
            return self.cost_of(self._copies(widths(factor))).parameters <= budget

        return self._plan(name, widths(largest_factor(fits, low=1.0, high=MOST)))

    def widenable(self) -> set[int]:
        """Return the groups that no norm over channels reads, or all if there are no others."""
        groups = set(self.channels.groups.tolist())
        return (groups - self.channels.normalized_groups()) or groups

    def reallocate(self, bottlenecks: Collection[int], redundant: Collection[int]) -> Plan:
        """Return a plan with wider bottlenecks, leaner redundant groups, and no more MACs.

        Bottlenecks are at most doubled, and redundant groups at most halved. Without a group of
        each kind nothing changes.
        """
        if not bottlenecks or not redundant:
            return self._plan("reallocate", {})

        def widths(wider: float, leaner: float) -> dict[int, int]:
            widened = {g: round(wider * self.width(g)) for g in bottlenecks}
            return widened | {g: max(1, round(leaner * self.width(g))) for g in redundant}

        budget = self.cost_of(self._copies({})).macs

        def fits(wider: float, leaner: float) -> bool:
            return self.cost_of(self._copies(widths(wider, leaner))).macs <= budget

        wider = largest_factor(lambda factor: fits(factor, 0.5), low=1.0, high=2.0)
        leaner = largest_factor(lambda factor: fits(wider, factor), low=0.5, high=1.0)
        return self._plan("reallocate", widths(wider, leaner))

    def custom(self, factors: Mapping[int, float], name: str = "custom") -> Plan:
        """Return a plan that multiplies the widths of groups by factors; a width is at least 1."""
        return self._plan(name, {g: max(1, round(f * self.width(g))) for g, f in factors.items()})

    def resized(self, name: str, copies: Ints) -> Plan:
        """Return the plan with `copies` [S] of each structure."""
        counts = ChannelCounts(self.channels, self.shapes, copies)
        changes, incomplete = edits_for(self.network, counts)
        return Plan(
            name,
            copies,
            _layer_plans(self.channels, copies, changes),
            self.cost_of(np.ones_like(copies)),
            self.cost_of(copies),
            incomplete,
        )

    def _plan(self, name: str, widths: dict[int, int]) -> Plan:
        return self.resized(name, self._copies(widths))

    def _copies(self, widths: dict[int, int]) -> Ints:
        return copies_for_widths(self.channels, self.rank, widths)

    def width(self, group: int) -> int:
        """Return the number of structures of a group."""
        return int(np.count_nonzero(self.channels.groups == group))


def _layer_plans(
    channels: Channels, copies: Ints, changes: Sequence[Change]
) -> tuple[LayerPlan, ...]:
    """Return the layers that `copies` changes; each edit is listed with the first that needs it."""
    plans = []
    left = list(changes)
    for layer in channels.layers:
        own = layer.structures[layer.structures != NO_STRUCTURE]
        changed = np.unique(own[copies[own] != 1])
        if len(changed):
            edits = tuple(c.edit for c in left if np.isin(c.structures, changed).any())
            left = [change for change in left if change.edit not in edits]
            new_width = layer.width + int((copies[own] - 1).sum())
            plans.append(LayerPlan(layer.name, layer.width, new_width, edits))
    return tuple(plans)
