"""Gates where a channel is read: at 0, exactly what removing the channel does.

Between the layer that makes a channel and the ones that sum over channels stand norms, shifts and
activations that map each channel by itself. A gate behind all of them is a gate on what is summed;
where they are batch norms and ReLUs it is the same as one right behind the batch norm. It takes in
the norms' shifts, embeddings of positions and whatever else is added on the way. What a layer norm
makes of the other channels' statistics when one is gone is left out.

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

    Calls that sum over the same dimension of the same value share its gate.
    """
    axes = batch_axes(network, shapes)
    nodes: list[Node] = []
    gates: dict[int, Gate] = {}
    gated: dict[tuple[str, Operand], str] = {}
    for node in network.nodes:
        for read in _reads(node, network, shapes):
            structures = _structures(channels, read)
            if (structures == NO_STRUCTURE).all():
                continue
            argument, value = _argument(node, read.value)  # gated along another axis, perhaps
            if (value, read) not in gated:
                gated[value, read] = name = f"{value}·{read.axis}"
                gates[len(nodes)] = gate_on(network, structures, read.axis, axes.get(read.value))
                nodes.append(Node("alias", {"self": Ref(value)}, (name,), node.module))
            node = replace(node, inputs={**node.inputs, argument: Ref(gated[value, read])})
        nodes.append(node)
    return replace(network, nodes=tuple(nodes)), gates


def _reads(node: Node, network: Network, shapes: Shapes) -> Iterator[Operand]:
    """Yield the dimensions that a call sums over; of two factors, that of one which varies."""
    for first, second in contractions(node, shapes):
        yield second if first.value in network.leaves else first
    yield from sum_axes(node, shapes)


def _structures(channels: Channels, read: Operand) -> NDArray[np.int64]:
    labels = channels.values[read.value][read.axis]
    return np.empty(0, np.int64) if labels is None else channels.structure_of[labels]


def _argument(node: Node, value: str) -> tuple[str, str]:
    """Return the first argument that is a value, or that value behind gates, and its name."""
    for argument, given in node.inputs.items():
        if isinstance(given, Ref) and given.name.partition("·")[0] == value:
            return argument, given.name
    raise ValueError(f"{node.op} does not read {value}")
