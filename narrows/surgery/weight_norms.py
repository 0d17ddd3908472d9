"""Weight norm: `g v / ‖v‖` keeps its numbers where v loses, gains or divides some of its own."""

from collections.abc import Mapping

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
    for node in network.nodes:
        v, g = node.inputs.get("v"), node.inputs.get("g")
        if node.op.startswith("_weight_norm") and isinstance(v, Ref) and isinstance(g, Ref):
            names = network.leaves.get(v.name), network.leaves.get(g.name)
            if names[0] is None or names[1] is None:
                continue
            dim = as_int(node.inputs.get("dim", 0))
            before, after = _norm(network.tensors[names[0]], dim), _norm(resized[names[0]], dim)
            labels = counts.dims(v.name)[dim] if dim >= 0 else None
            if labels is not None and counts.changes(labels):
                index = torch.from_numpy(counts.sources(labels)[0]).to(before.device)
                before = before.index_select(dim, index)
            scaled[names[1]] = resized[names[1]] * (after / before).to(resized[names[1]])
    return scaled


def _norm(v: Tensor, dim: int) -> Tensor:
    return weight_norm_interface(v.double(), v.new_ones((), dtype=torch.float64), dim)[1]
