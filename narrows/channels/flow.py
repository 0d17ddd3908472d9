"""Which layers a layer reads, and whose results join its own: the edges of a drawing.

Between two layers there may be any number of calls. So each value counts as the result of one
layer, the last that it depends on. Where a call combines values of several layers, as an addition
or `cat` does, the earlier ones *join* the last. With n layers along a residual stream there are
about 2n edges, and not n².
"""

from typing import NamedTuple

from narrows.channels.structures import Channels
from narrows.graph.network import Network


class Flow(NamedTuple):
    """The names of the layers that a layer reads, and of those that join its result."""

    inputs: tuple[str, ...]
    joins: tuple[str, ...]


def flows(network: Network, channels: Channels) -> dict[str, Flow]:
    """Return the flow of each layer by name; a layer that reads the network's inputs has none.

    >>> from narrows.example import two_neurons
    >>> network, _, channels = two_neurons()
    >>> flows(network, channels)
    {'hidden': Flow(inputs=(), joins=()), 'output': Flow(inputs=('hidden',), joins=())}
    """
    layers = channels.layers
    layer_of = {node: i for i, layer in enumerate(layers) for node in layer.nodes}
    inputs: list[dict[int, None]] = [{} for _ in layers]
    joins: list[dict[int, None]] = [{} for _ in layers]
    last: dict[str, int] = {}  # the last layer that a value depends on
    for index, node in enumerate(network.nodes):
        read = [last[name] for name in node.references() if name in last]
        own = layer_of.get(index)
        if own is None:
            own = max(read, default=None)
            if own is not None:
                joins[own].update(dict.fromkeys(i for i in read if i != own))
        else:
            inputs[own].update(dict.fromkeys(i for i in read if i != own))
        if own is not None:
            last |= {name: own for name in node.outputs if name and name in network.varying}

    def names(indices: dict[int, None]) -> tuple[str, ...]:
        return tuple(layers[i].name for i in sorted(indices))

    return {layer.name: Flow(names(inputs[i]), names(joins[i])) for i, layer in enumerate(layers)}
