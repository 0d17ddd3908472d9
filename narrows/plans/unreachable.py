"""What no edit reaches: tensors that the user's own code makes, and numbers written out in it.

The built network is the source with the edits, but for what is found here: then its weights fit,
and it computes the same.
"""

from collections.abc import Collection, Iterator

from narrows.channels.labels import Dims
from narrows.graph.network import Network
from narrows.graph.selections import selection
from narrows.plans.modules import Module
from narrows.plans.written_numbers import changed_sizes, numbers
from narrows.surgery.channel_counts import ChannelCounts
from narrows.surgery.function_preserving import shares
from narrows.surgery.tables import changed_tables

Incomplete = tuple[str, str]
"""A module, and what its edits don't reach there."""


def unreachable(
    network: Network, counts: ChannelCounts, modules: Collection[Module]
) -> Iterator[Incomplete]:
    """Yield the modules that need more than edits of `modules`, and why; some come repeatedly."""
    yield from _own_tensors(network, counts, modules)
    yield from numbers(network, counts)
    for value, node in changed_tables(network, counts):
        yield node.module, f"the code computes {value!r}, and must keep the numbers of what stays"
    yield from _divisions(network, counts)
    yield from _unread(network, counts, modules)


def _own_tensors(
    network: Network, counts: ChannelCounts, modules: Collection[Module]
) -> Iterator[Incomplete]:
    """Yield tensors that change, and that no module of a known class makes."""
    known = _names(modules)
    chosen = _chosen(network, counts)
    for name, first in _all_names(network).items():
        before = list(network.tensors[first].shape)
        dims = chosen.get(first) or counts.tensor_dims(first, len(before))
        if not any(map(counts.changes, dims)):
            continue
        after = [
            size if d is None else counts.count(d) for size, d in zip(before, dims, strict=True)
        ]
        path, _, own = name.rpartition(".")
        if first in network.transient:
            yield path, f"the state dict does not hold {own!r}, whose channels change: make it anew"
        elif name not in known and before != after:
            kind = network.modules.get(path) or "a class that the export does not name"
            yield (
                path,
                f"{own!r} must change its shape from {before} to {after}, in the code of {kind}",
            )


def _chosen(network: Network, counts: ChannelCounts) -> dict[str, Dims]:
    """Return, by name, the labels of the channels that index tensors select."""
    chosen: dict[str, Dims] = {}
    for node in network.nodes:
        if picks := selection(network, node):
            labels, name = counts.dims(picks.source.name)[picks.dim], picks.name
            if counts.changes(labels) and labels is not None:
                chosen[name] = (labels[network.tensors[name].cpu().numpy()],)
    return chosen


def _divisions(network: Network, counts: ChannelCounts) -> Iterator[Incomplete]:
    """Yield calls before which a function-preserving network divides, since no weight can."""
    if (counts.copies > 1).any():
        for index, division in shares(network, counts).scaled.items():
            node = network.nodes[index]
            even = len(division.by) == 1
            times = f"{division.by[0]:g}" if even else "the number of copies of each channel"
            yield (
                node.module,
                f"a network built with init='preserve' divides what {node.op} reads here by "
                f"{times}, since no weight can be divided; the source must do so, too",
            )


def _unread(
    network: Network, counts: ChannelCounts, modules: Collection[Module]
) -> Iterator[Incomplete]:
    """Yield modules that the program does not read, and that may be as wide as what changes."""
    widths = set().union(*changed_sizes(network, counts).values())
    read = {network.leaves.get(name) for node in network.nodes for name in node.references()}
    known = _names(modules)
    for name, first in _all_names(network).items():
        sizes = network.tensors[first].shape
        if first in read or name in known or first in network.transient:
            continue
        if any(size % width == 0 for size in sizes for width in widths):
            path, _, own = name.rpartition(".")
            where = f" ({own!r})" if not path else ""
            yield (
                path,
                f"not in the exported program (used only in training?){where}: it may need the new "
                "width, and the built network has its old weights",
            )


def _all_names(network: Network) -> dict[str, str]:
    return {name: name for name in network.tensors} | dict(network.aliases)


def _names(modules: Collection[Module]) -> set[str]:
    return {f"{m.path}.{own}" if m.path else own for m in modules for own in m.tensors}
