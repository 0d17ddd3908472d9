"""Edits: the attributes of modules that a user changes in the source, so that it fits a plan.

See docs/method.md, "Edits".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.arrays import Ints
from narrows.channels.structures import NO_STRUCTURE
from narrows.graph.network import Network
from narrows.plans.attributes import ATTRIBUTES, usual_class
from narrows.plans.modules import Module, Value, Width
from narrows.plans.unreachable import Incomplete, unreachable
from narrows.surgery.channel_counts import ChannelCounts


@dataclass(frozen=True)
class Edit:
    """An edit of the source: set `module.attribute` from `before` to `after`.

    Both are numbers, or the shapes of a layer norm.

    >>> Edit("hidden", "out_features", 2, 4).to_dict()
    {'module': 'hidden', 'attribute': 'out_features', 'from': 2, 'to': 4}
    """

    module: str
    attribute: str
    before: Value
    after: Value

    def to_dict(self) -> dict[str, Any]:
        """Return the edit in the API's shape, in which shapes are lists."""
        before, after = (list(x) if isinstance(x, tuple) else x for x in (self.before, self.after))
        return {"module": self.module, "attribute": self.attribute, "from": before, "to": after}


@dataclass(frozen=True)
class Change:
    """An edit, and the structures [n] that make it necessary."""

    edit: Edit
    structures: Ints


def edits_for(
    network: Network, counts: ChannelCounts
) -> tuple[list[Change], tuple[Incomplete, ...]]:
    """Return the edits for the copies in `counts`, and (module, reason) for what they don't reach.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> changes, incomplete = edits_for(network, ChannelCounts(channels, shapes, np.array([2, 2])))
    >>> [change.edit.attribute for change in changes], incomplete
    (['out_features', 'in_features'], ())
    """
    if (counts.copies == 1).all():
        return [], ()
    modules = modules_of(network, counts)
    found: list[Change] = []
    incomplete: list[Incomplete] = []
    for module in modules:
        edits, reasons = changes(module)
        found += edits
        incomplete += [(module.path, reason) for reason in reasons]
    incomplete += unreachable(network, counts, modules)
    return found, tuple(dict.fromkeys(incomplete))


def modules_of(network: Network, counts: ChannelCounts) -> list[Module]:
    """Return the modules whose attributes are known, in the order of their calls.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> counts = ChannelCounts(channels, shapes, np.array([2, 2]))
    >>> [(module.path, module.kind) for module in modules_of(network, counts)]
    [('hidden', 'torch.nn.Linear'), ('output', 'torch.nn.Linear')]
    """
    names = {name: name for name in network.tensors} | dict(network.aliases)
    types = _with_shared(network.modules, names) if network.modules else _guessed(network)
    calls: dict[str, set[int]] = {}
    for index, node in enumerate(network.nodes):
        for name in node.references():
            calls.setdefault(network.leaves.get(name, ""), set()).add(index)
    modules = []
    for path, kind in types.items():
        if kind in ATTRIBUTES:
            own = _own(path, kind, names)
            made = {i for i, node in enumerate(network.nodes) if node.module == path}
            indices = sorted(made.union(*(calls.get(name, ()) for name in own.values())))
            nodes = tuple(network.nodes[index] for index in indices)
            modules.append(Module(path, kind, own, nodes, network, counts))
    return modules


def _own(path: str, kind: str, names: Mapping[str, str]) -> dict[str, str]:
    """Return the module's tensors by their names in it; attention also owns its output layer."""
    prefix = f"{path}." if path else ""
    own = {
        name.removeprefix(prefix): first for name, first in names.items() if name.startswith(prefix)
    }
    nested = "out_proj." if kind == "torch.nn.MultiheadAttention" else None
    return {
        name: first
        for name, first in own.items()
        if "." not in name or (nested and name.startswith(nested))
    }


def _with_shared(types: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the classes of modules, also under other names of a shared module.

    A strict export records a shared module under one name only. A single tensor may be tied between
    modules of two classes, and does not tell.
    """
    tensors: dict[str, dict[str, str]] = {}
    for name, first in names.items():
        path, _, own = name.rpartition(".")
        tensors.setdefault(path, {})[own] = first
    known = {
        frozenset(own.items()): types[path]
        for path, own in tensors.items()
        if path in types and len(own) > 1
    }
    shared = {path: known.get(frozenset(own.items())) for path, own in tensors.items()}
    return {path: kind for path, kind in shared.items() if kind} | dict(types)


def _guessed(network: Network) -> dict[str, str]:
    """Return the classes that modules seem to have by their calls."""
    guesses = ((node.module, usual_class(node.op)) for node in network.nodes)
    return {module: kind for module, kind in guesses if kind}


def changes(module: Module) -> tuple[list[Change], list[str]]:
    """Return the edits of a module, and the reasons why edits don't make what the plan needs.

    Where there are reasons, there are no edits: a module with some of them would fit nothing.
    """
    told: dict[str, list[Width]] = {}
    for attribute, width in ATTRIBUTES[module.kind](module):
        told.setdefault(attribute, []).append(width)
    reasons = [*_contradictions(module, told), *_untold(module, told)]
    if reasons:
        return [], reasons
    edits = []
    for attribute, (first, *others) in told.items():
        if first.before != first.after:
            labels = [labels for width in (first, *others) for labels in width.labels]
            structures = module.counts.channels.structure_of[np.concatenate(labels)]
            edit = Edit(module.path, attribute, first.before, first.after)
            edits.append(Change(edit, np.unique(structures[structures != NO_STRUCTURE])))
    return edits, []


def _contradictions(module: Module, told: Mapping[str, list[Width]]) -> Iterator[str]:
    """Yield why attributes can't have the values that the plan needs."""
    sizes: dict[str, list[str]] = {}
    for attribute, widths in told.items():
        before = list(dict.fromkeys(width.before for width in widths))
        after = list(dict.fromkeys(width.after for width in widths))
        if before != after and (len(before) > 1 or len(after) > 1):
            sizes.setdefault(" and ".join(map(str, after)), []).append(attribute)
    for values, attributes in sizes.items():
        yield (
            f"its {', '.join(attributes)} would have to be {values} at once: the plan changes some "
            f"of its tensors in a way that {module.kind} can't have"
        )


def _untold(module: Module, told: Mapping[str, list[Width]]) -> Iterator[str]:
    known = {source for widths in told.values() for width in widths for source in width.sources}
    for name in module.tensors:
        if any((name, dim) not in known for dim in module.changed(name)):
            yield f"no attribute of {module.kind} sets the size of its {name!r}"
