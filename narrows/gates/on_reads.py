"""Gates where a channel is read: such a gate at 0 does exactly what removing the channel does.

Norms, shifts and activations stand between the layer that makes a channel and the calls that sum
over channels, and map each channel by itself. A gate behind all of them is a gate on what is
summed; behind a batch norm and a ReLU it is the same as one right behind the batch norm. It
includes the norms' shifts, position embeddings and anything else that is added on the way. It
ignores that without a channel, a layer norm would have other statistics for the others.

See docs/method.md, "Gates" and "Facts that are tested".
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from narrows.channels.contractions import Operand, contractions, sum_axes
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.gates.call import Gate, gate_on
from narrows.graph.network import Network
from narrows.graph.node import Node, Ref
from narrows.graph.shapes import Shapes, batch_axes


def gate_reads(
    network: Network, channels: Channels, shapes: Shapes
) -> tuple[Network, dict[int, Gate]]:
    """Return the network with a gate on every dimension of a structure's channels that is summed.

    Returned are the network and its gates by the index of the gated node, an `alias`. Calls that
    sum over the same dimension of the same value share its gate. Below, `h·1` is `h` with a gate
    along dimension 1:

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> gated, gates = gate_reads(network, channels, shapes)
    >>> [(node.op, node.outputs) for node in gated.nodes], list(gates)
    ([('linear', ('h',)), ('alias', ('h·1',)), ('linear', ('y',))], [1])

    See docs/method.md, "Where the gate sits".
    """
    axes = batch_axes(network, shapes)
    nodes: list[Node] = []
    gates: dict[int, Gate] = {}
    gated: dict[tuple[str, Operand], str] = {}
    for node in network.nodes:
        for read in dict.fromkeys(_reads(node, network, shapes, channels)):
            structures = _structures(channels, read)
            if (structures == NO_STRUCTURE).all():
                continue
            value = _name(node, read.value)  # perhaps gated along another axis
            if (value, read) not in gated:
                gated[value, read] = name = f"{value}·{read.axis}"
                gates[len(nodes)] = gate_on(network, structures, read.axis, axes.get(read.value))
                nodes.append(Node("alias", {"self": Ref(value)}, (name,), node.module))
            node = node.reading(gated[value, read], instead_of=value)
        nodes.append(node)
    return replace(network, nodes=tuple(nodes)), gates


def _reads(node: Node, network: Network, shapes: Shapes, channels: Channels) -> Iterator[Operand]:
    """Yield the dimensions that a call sums over; of two factors, that of the one that varies."""
    for first, second in contractions(node, shapes, channels):
        yield second if first.value in network.leaves else first
    yield from sum_axes(node, shapes)


def _structures(channels: Channels, read: Operand) -> NDArray[np.int64]:
    labels = channels.values[read.value][read.axis]
    return np.empty(0, np.int64) if labels is None else channels.structure_of[labels]


def _name(node: Node, value: str) -> str:
    """Return the name by which the call reads `value`, perhaps behind gates."""
    return next(name for name in node.references() if name.partition("·")[0] == value)
