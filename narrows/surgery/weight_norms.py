"""Weight norm: `g v / ‖v‖` keeps its numbers where v loses, gains or divides some of its own."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from narrows.graph.network import Network
from narrows.graph.node import Ref, as_int
from narrows.graph.roots import weight_norm_interface
from narrows.surgery.channel_counts import ChannelCounts


def kept_norms(
    network: Network, counts: ChannelCounts, resized: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return, by name, each g of a weight norm, scaled as much as ‖v‖ has changed.

    `resized` holds the tensors of the resized network, g with its channels cut and copied.
    """
    scaled = {}
    for v, g, dim in changed_norms(network, counts):
        weight, factor = network.leaves[v], network.leaves[g]
        before, after = _norm(network.tensors[weight], dim), _norm(resized[weight], dim)
        labels = counts.dims(v)[dim] if dim >= 0 else None
        if labels is not None and counts.changes(labels):
            index = torch.from_numpy(counts.sources(labels)[0]).to(before.device)
            before = before.index_select(dim, index)
        scaled[factor] = resized[factor] * (after / before).to(resized[factor])
    return scaled


def changed_norms(network: Network, counts: ChannelCounts) -> Iterator[tuple[str, str, int]]:
    """Yield v, g and the dimension of each weight norm whose v loses or gains numbers."""
    for node in network.nodes:
        v, g = node.inputs.get("v"), node.inputs.get("g")
        if node.op.startswith("_weight_norm") and isinstance(v, Ref) and isinstance(g, Ref):
            stored = v.name in network.leaves and g.name in network.leaves
            if stored and any(map(counts.changes, counts.dims(v.name))):
                yield v.name, g.name, as_int(node.inputs.get("dim", 0))


def _norm(v: Tensor, dim: int) -> Tensor:
    return weight_norm_interface(v.double(), v.new_ones((), dtype=torch.float64), dim)[1]
