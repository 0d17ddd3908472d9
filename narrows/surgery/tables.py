"""Tables that the program computes: they become buffers where their channels are cut or copied."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from narrows.channels.tables import tables
from narrows.graph.constants import evaluate
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.surgery.buffers import with_buffers
from narrows.surgery.channel_counts import ChannelCounts


def changed_tables(network: Network, counts: ChannelCounts) -> Iterator[tuple[str, Node]]:
    """Yield the tables whose channels are cut or copied, each with the call that returns it."""
    names = tables(network)
    for node in network.nodes:
        for value in names.intersection(filter(None, node.outputs)):
            if any(map(counts.changes, counts.dims(value))):
                yield value, node


def with_tables(network: Network, resized: Network, counts: ChannelCounts) -> Network:
    """Return `resized` with a buffer for each table of `network` that changes.

    A network adds `arange(2)` to its two neurons; without the first, it adds the number 1:

    >>> import numpy as np
    >>> from torch import nn, ones
    >>> from narrows.channels.groups import find_channels
    >>> from narrows.graph.from_export import as_network
    >>> from narrows.graph.shapes import trace_shapes
    >>> class Numbered(nn.Linear):
    ...     def forward(self, x):
    ...         return super().forward(x) + torch.arange(2)
    >>> network = as_network(nn.Sequential(Numbered(1, 2), nn.Linear(2, 1)), (ones(2, 1),))
    >>> shapes = trace_shapes(network)
    >>> counts = ChannelCounts(find_channels(network, shapes), shapes, np.array([0, 1]))
    >>> with_tables(network, network, counts).tensors["0.arange_numbers"]
    tensor([1])
    """
    made = dict(changed_tables(network, counts))
    if not made:
        return resized
    with torch.device("cpu"):
        numbers = evaluate(network.map_tensors(Tensor.cpu), made)
    device = next(iter(network.tensors.values())).device
    buffers = {
        value: (node.module, _cut(numbers[value], value, counts).to(device))
        for value, node in made.items()
    }
    nodes = tuple(node for node in resized.nodes if made.keys().isdisjoint(node.outputs))
    return _without_unread(with_buffers(replace(resized, nodes=nodes), buffers))


def _cut(table: Tensor, value: str, counts: ChannelCounts) -> Tensor:
    for axis, labels in enumerate(counts.dims(value)):
        if labels is not None and counts.changes(labels):
            table = table.index_select(axis, torch.from_numpy(counts.sources(labels)[0]))
    return table


def _without_unread(network: Network) -> Network:
    """Return the program without calls whose results nothing reads."""
    needed, nodes = set(network.outputs), list[Node]()
    for node in reversed(network.nodes):
        if needed.intersection(filter(None, node.outputs)):
            needed.update(node.references())
            nodes.append(node)
    return replace(network, nodes=tuple(reversed(nodes)))
