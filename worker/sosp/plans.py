"""Plans for a wider architecture: new widths, and what to edit in the source (METHOD §4)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.sosp.channels import NO_STRUCTURE, Channels
from worker.sosp.cost import Cost, channel_count, cost
from worker.sosp.network import Network
from worker.sosp.shapes import Shapes
from worker.sosp.verdict import Verdict


@dataclass(frozen=True)
class Edit:
    """Set `module.attribute` to another number of channels."""

    module: str
    attribute: str
    before: int
    after: int


@dataclass(frozen=True)
class LayerPlan:
    """A layer's new width and every attribute, also of other modules, that must follow."""

    name: str
    width: int
    new_width: int
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Plan:
    """A change of the architecture with what it costs before and after, for one sample."""

    name: str
    layers: tuple[LayerPlan, ...]
    before: Cost
    after: Cost


def double(
    network: Network, shapes: Shapes, channels: Channels, verdicts: Mapping[str, Verdict]
) -> Plan:
    """Return the paper's expansion: every bottleneck layer twice as wide.

    Layers whose channels are tied to a bottleneck's grow with it, and are listed too.
    """
    copies = np.ones(len(channels), np.int64)
    for layer in channels.layers:
        if verdicts[layer.name].verdict == "bottleneck":
            copies[layer.structures[layer.structures != NO_STRUCTURE]] = 2
    return Plan(
        "double",
        _layer_plans(channels, copies),
        cost(network, shapes, channels),
        cost(network, shapes, channels, copies),
    )


def _layer_plans(channels: Channels, copies: NDArray[np.int64]) -> tuple[LayerPlan, ...]:
    """List the layers that `copies` changes; an edit stands with the first that calls for it."""
    plans = []
    seen: set[tuple[str, str]] = set()
    for layer in channels.layers:
        own = np.unique(layer.structures[layer.structures != NO_STRUCTURE])
        changed = own[copies[own] != 1]
        if not len(changed):
            continue
        edits = []
        for attribute in channels.attributes:
            touched = np.isin(channels.structure_of[attribute.labels], changed).any()
            if touched and (key := (attribute.module, attribute.name)) not in seen:
                seen.add(key)
                after = channel_count(channels, attribute.labels, copies)
                edits.append(Edit(*key, before=len(attribute.labels), after=after))
        new_width = layer.width + int(
            (copies[layer.structures[layer.structures != NO_STRUCTURE]] - 1).sum()
        )
        plans.append(LayerPlan(layer.name, layer.width, new_width, tuple(edits)))
    return tuple(plans)
