"""Constants that select channels by index: they change when the channels move."""

import numpy as np
import torch
from torch import Tensor

from narrows.arrays import Ints
from narrows.channels.labels import Labels
from narrows.graph.network import Network
from narrows.graph.selections import selection
from narrows.surgery.channel_counts import ChannelCounts, SurgeryError


def picked(network: Network, counts: ChannelCounts) -> dict[str, Tensor]:
    """Return, by name, the new index tensors of calls that pick along dimensions that change.

    An index i becomes those of all copies of channel i. Raises SurgeryError where two calls, which
    may need different indices, share a tensor.
    """
    tensors: dict[str, Tensor] = {}
    for node in network.nodes:
        if chosen := selection(network, node):
            labels, name = counts.dims(chosen.source.name)[chosen.dim], chosen.name
            if labels is None or not counts.changes(labels):
                continue
            if len(network.readers[chosen.index.name]) > 1:
                raise SurgeryError(f"{name} picks channels for several calls")
            old = network.tensors[name]
            new = _repointed(old.cpu().numpy(), labels, counts)
            tensors[name] = torch.from_numpy(new).to(old)
    return tensors


def _repointed(index: Ints, labels: Labels, counts: ChannelCounts) -> Ints:
    """Return the indices afterwards of the channels in `index`, and of their copies.

    Negative ones, which count from the end, stay negative.
    """
    afterwards = {
        (int(source), int(copy)): position
        for position, (source, copy) in enumerate(zip(*counts.sources(labels), strict=True))
    }
    order, copy = counts.sources(labels[index])
    pairs = zip((index[order] % len(labels)).tolist(), copy.tolist(), strict=True)
    found = np.array([afterwards[pair] for pair in pairs], np.int64)
    return np.where(index[order] < 0, found - len(afterwards), found)
