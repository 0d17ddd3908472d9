"""New buffers of a resized network, such as a table of which some channels are cut."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from narrows.graph.network import Network


def with_buffers(network: Network, buffers: Mapping[str, tuple[str, Tensor]]) -> Network:
    """Return the network with a tensor for each value in `buffers`, {value: (module, tensor)}.

    No state dict holds them, so that it keeps the keys that it had. A buffer is named after its
    value, in that module, by a name that no attribute of a module has.

    >>> import torch
    >>> from narrows.example import two_neurons
    >>> wider = with_buffers(two_neurons()[0], {"table": ("hidden", torch.ones(2))})
    >>> wider.leaves["table"], wider.transient
    ('hidden.table_numbers', frozenset({'hidden.table_numbers'}))
    """
    tensors, leaves = dict(network.tensors), dict(network.leaves)
    for value, (module, tensor) in buffers.items():
        name = ".".join(filter(None, (module, f"{value}_numbers")))
        while name in tensors or name in network.aliases:
            name += "_"
        tensors[name], leaves[value] = tensor, name
    added = tensors.keys() - network.tensors.keys()
    return replace(
        network, tensors=tensors, leaves=leaves, transient=network.transient.union(added)
    )
