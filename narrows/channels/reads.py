"""In how many places the channels of a structure are read.

The channels of a residual stream are read by each block, those of most layers by the next one.

See docs/method.md, "Comparable layers".
"""

import numpy as np

from narrows.arrays import Ints
from narrows.channels.contractions import contractions
from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.graph.network import Network
from narrows.graph.shapes import Shapes


def places(network: Network, channels: Channels, shapes: Shapes) -> Ints:
    """Return the number of values along which layers sum over a structure's channels, [S].

    Layers that read the same value, such as query, key and value, read it in one place.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> places(network, channels, shapes)
    array([1, 1])
    """
    found = np.zeros(len(channels), np.int64)
    seen = set()
    for node in network.nodes:
        for first, second in contractions(node, shapes, channels):
            weights = [operand for operand in (first, second) if operand.value in network.leaves]
            read = second if first in weights else first
            labels = channels.values[read.value][read.axis]
            if not weights or labels is None or read in seen:
                continue
            seen.add(read)
            structures = np.unique(channels.structure_of[labels])
            found[structures[structures != NO_STRUCTURE]] += 1
    return found
