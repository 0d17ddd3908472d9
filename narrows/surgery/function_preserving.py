"""Function-preserving copies: a reader divides by the number of copies.

The copies of a channel hold the same numbers, so a call that sums over k copies divides by k.
Elementwise operators, norms over each channel, depthwise convolutions and those that are copied by
whole groups sum over no copies, and are only copied. Chen, Goodfellow and Shlens, "Net2Net", 2016.

See docs/method.md, "Facts that are tested", 6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod, sqrt

import numpy as np

from narrows.arrays import Floats, Ints
from narrows.channels.contractions import Operand, contractions, degree, sum_axes
from narrows.graph.dataflow import Origin, origins, tensor_readers
from narrows.graph.dimensions import as_list, axis
from narrows.graph.network import Network
from narrows.graph.node import Argument, Node, Ref
from narrows.surgery.channel_counts import ChannelCounts


@dataclass(frozen=True)
class Division:
    """The division of a value that a call reads, along one dimension.

    `by` [width] holds the divisor of each channel afterwards, or [1] that of all.
    """

    value: str
    axis: int
    by: Floats


@dataclass(frozen=True)
class Shares:
    """The tensors and values that are divided by the number of copies.

    `divided` holds (named tensor, dimension) pairs. A weight can't be divided if another call uses
    it, too, if the program computes it, or if the call multiplies two values. Then the value that
    the call reads is divided: `scaled` maps the call's index in the program to that division.
    `reasons` name the calls that neither can help: they sum over copies along two dimensions.
    """

    divided: frozenset[tuple[str, int]] = frozenset()
    scaled: Mapping[int, Division] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def shares(network: Network, counts: ChannelCounts) -> Shares:
    """Return what is divided by the number of copies, wherever copied channels are summed.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> counts = ChannelCounts(channels, shapes, np.array([2, 2]))
    >>> shares(network, counts).divided  # the columns of the layer that reads the neurons
    frozenset({('output.weight', 1)})
    """
    known = origins(network, counts.shapes)
    readers = tensor_readers(network, {value: name for value, (name, _) in known.items()})
    divided: set[tuple[str, int]] = set()
    rest: list[tuple[int, Operand]] = []
    for index, node in enumerate(network.nodes):
        for value, weight in contractions(node, counts.shapes, counts.channels):
            if not (_copied(value, counts) or _copied(weight, counts)):
                continue
            name, axes = known.get(weight.value, ("", ()))
            if name and all(
                axes[weight.axis] in _summed(network.nodes[reader], name, known, counts)
                for reader in readers[name]
            ):
                divided.add((name, axes[weight.axis]))
            else:
                rest.append((index, value))
        if not is_uneven_norm(node, counts):
            rest += [(index, o) for o in sum_axes(node, counts.shapes) if _copied(o, counts)]
    scaled: dict[int, Division] = {}
    reasons = []
    for index, operand in rest:
        if index not in scaled:
            scaled[index] = _division(network.nodes[index], operand, counts)
        else:
            reasons.append(f"{_call(network.nodes[index])} sums over copies along two dimensions")
    scaled |= _sample_variances(network, counts)
    return Shares(frozenset(divided), scaled, tuple(reasons))


def _division(node: Node, operand: Operand, counts: ChannelCounts) -> Division:
    """Return the division by the number of copies; before a vector norm, by its root."""
    times = _times(operand, counts)
    copies = np.repeat(times, times).astype(np.float64)
    by = copies ** (1 / degree(node))
    even = len(np.unique(by)) == 1
    return Division(operand.value, operand.axis, by[:1] if even else by)


def _sample_variances(network: Network, counts: ChannelCounts) -> dict[int, Division]:
    """Return the divisors of variances over n channels that divide by n − 1, not by n."""
    found = {}
    for index, node in enumerate(network.nodes):
        less, source = node.inputs.get("correction"), node.inputs.get("self")
        if less is None:
            less = int(node.inputs.get("unbiased", True) is True)
        family = node.op.partition(".")[0]
        if family in ("var", "std") and isinstance(source, Ref) and isinstance(less, int | float):
            sizes = counts.sizes(source.name)
            dims = [axis(d, len(sizes)) for d in as_list(node.inputs.get("dim") or [])]
            over = [sizes[d] for d in dims or range(len(sizes))]
            before, after = prod(size for size, _ in over), prod(size for _, size in over)
            evenly = after % before == 0 and not is_uneven_norm(node, counts)
            if less and after > before > less and evenly:
                ratio = after / before * (before - less) / (after - less)
                found[index] = Division(source.name, 0, np.array([sqrt(ratio)]))
    return found


def divide(call: Node, division: Division) -> list[Node]:
    """Return two calls: the division of a value, and `call` on its result.

    Where channels have divisors of their own, they are those of a value `…_copies`.

    >>> relu = Node("relu", {"self": Ref("x")}, ("y",), "")
    >>> calls = divide(relu, Division("x", 0, np.array([2.0])))
    >>> [(node.op, node.outputs) for node in calls]
    [('div.Scalar', ('x.y',)), ('relu', ('y',))]
    """
    share = f"{division.value}.{call.outputs[0]}"  # no name of an upload has dots in it
    even = len(division.by) == 1
    other: Argument = float(division.by[0]) if even else Ref(f"{call.outputs[0]}_copies")
    inputs = {"self": Ref(division.value), "other": other}
    return [
        Node("div.Scalar" if even else "div.Tensor", inputs, (share,), call.module),
        call.reading(share, instead_of=division.value),
    ]


def _summed(node: Node, name: str, known: Mapping[str, Origin], counts: ChannelCounts) -> set[int]:
    """Return the dimensions of a named tensor that the call sums over."""
    return {
        known[operand.value][1][operand.axis]
        for pair in contractions(node, counts.shapes, counts.channels)
        for operand in pair
        if operand.value in known and known[operand.value][0] == name
    }


def is_uneven_norm(node: Node, counts: ChannelCounts, *, alike: bool = True) -> bool:
    """Tell whether the call normalizes over several channels, and its statistics change.

    They stay the same if every channel has equally many copies, and copies are `alike`.
    """
    for labels in counts.channels.normalized.get(node.outputs[0] or "", ()):
        times = counts.times(labels)
        if len(np.unique(times)) > 1 or (not alike and (times > 1).any()):
            return True
    return False


def uneven_norms(network: Network, counts: ChannelCounts, *, alike: bool = True) -> Iterator[str]:
    """Yield a reason for each norm whose statistics change.

    >>> from torch import nn, zeros
    >>> from narrows.channels.groups import find_channels
    >>> from narrows.graph.from_export import as_network
    >>> from narrows.graph.shapes import trace_shapes
    >>> module = nn.Sequential(nn.Linear(1, 2), nn.LayerNorm(2), nn.Linear(2, 1))
    >>> network = as_network(module, (zeros(2, 1),))
    >>> shapes = trace_shapes(network)
    >>> channels = find_channels(network, shapes)
    >>> list(uneven_norms(network, ChannelCounts(channels, shapes, np.array([2, 1]))))
    ['layer_norm in 1 normalizes over channels that are cut or copied unevenly']
    >>> list(uneven_norms(network, ChannelCounts(channels, shapes, np.array([2, 2]))))
    []
    """
    for node in network.nodes:
        if is_uneven_norm(node, counts, alike=alike):
            yield f"{_call(node)} normalizes over channels that are cut or copied unevenly"


def _times(operand: Operand, counts: ChannelCounts) -> Ints:
    labels = counts.dims(operand.value)[operand.axis]
    return np.ones(1, np.int64) if labels is None else counts.times(labels)


def _copied(operand: Operand, counts: ChannelCounts) -> bool:
    return bool((_times(operand, counts) > 1).any())


def _call(node: Node) -> str:
    return f"{node.op} in {node.module}" if node.module else node.op
