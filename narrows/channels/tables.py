"""Tables: what the program computes of nothing, such as the sines and cosines of positions."""

from narrows.graph.constants import fixed_values
from narrows.graph.network import Network

_FILLED = frozenset({"full", "new_full", "new_ones", "new_zeros", "ones", "zeros"})
"""Operators whose size is a number in the program, which can change."""


def tables(network: Network) -> frozenset[str]:
    """Return the tables that calls read which depend on inputs or on weights.

    They are cut as a buffer is. What is computed of parameters, or of buffers that a state dict
    holds, is not among them: those are cut themselves.

    >>> import torch
    >>> from torch import nn
    >>> from narrows.graph.from_export import as_network
    >>> class Numbered(nn.Linear):
    ...     def forward(self, x):
    ...         return super().forward(x) + torch.arange(2).sin()
    >>> sorted(tables(as_network(Numbered(1, 2), (torch.ones(2, 1),))))
    ['sin']
    """
    fixed = fixed_values(network, network.transient)
    return frozenset(
        value
        for node in network.nodes
        for value in filter(None, node.outputs)
        if value in fixed
        and node.op not in _FILLED
        and any(
            reader < 0 or fixed.isdisjoint(network.nodes[reader].outputs)
            for reader in network.readers.get(value, ())
        )
    )
