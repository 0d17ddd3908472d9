"""Spectral norms: a weight is divided by `uᵀ W v`, where the vectors u and v are buffers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from narrows.graph.constants import fixed_values
from narrows.graph.network import Network
from narrows.graph.node import as_ref

_COPIES = frozenset("alias clone contiguous detach lift_fresh_copy".split())


@dataclass(frozen=True)
class SpectralNorm:
    """The indices of the calls `W v` and `uᵀ (W v)`, the latter's result, and the buffer u."""

    product: int
    call: int
    value: str
    u: str


def spectral_norms(network: Network) -> Iterator[SpectralNorm]:
    """Yield the spectral norms, of which nothing else reads u nor `W v`.

    >>> import torch
    >>> from torch import nn
    >>> from narrows.graph.from_export import as_network
    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2))
    >>> (norm,) = spectral_norms(as_network(layer, (torch.ones(2, 3),)))
    >>> norm.u
    'parametrizations.weight.0._u'
    """
    fixed = fixed_values(network)
    made = {name: i for i, node in enumerate(network.nodes) for name in node.outputs if name}
    for call, node in enumerate(network.nodes):
        value = node.outputs[0]
        if node.op != "dot" or value is None or value not in fixed:
            continue
        factors = [as_ref(node.inputs[name]).name for name in ("self", "tensor")]
        for factor, product in (factors, reversed(factors)):
            of_vector = product in made and network.nodes[made[product]].op == "mv"
            if of_vector and network.readers[product] == [call]:
                if u := _own_buffer(network, made, factor):
                    yield SpectralNorm(made[product], call, value, u)
                break


def _own_buffer(network: Network, made: Mapping[str, int], value: str) -> str:
    """Return the buffer that a value is a copy of; nothing where other calls read either."""
    while len(network.readers[value]) == 1:
        if value in network.leaves:
            name = network.leaves[value]
            alone = list(network.leaves.values()).count(name) == 1
            return name if alone and name not in network.parameters else ""
        source = network.nodes[made[value]]
        if source.op not in _COPIES:
            break
        value = as_ref(source.inputs["self"]).name
    return ""
