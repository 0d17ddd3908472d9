"""Spectral norms: `uᵀ W v` keeps its number where W loses or gains channels, as u is scaled."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from narrows.graph.constants import evaluate
from narrows.graph.network import Network
from narrows.graph.node import as_ref
from narrows.graph.spectral_norms import SpectralNorm, spectral_norms
from narrows.surgery.channel_counts import ChannelCounts


def with_kept_norms(network: Network, resized: Network, counts: ChannelCounts) -> Network:
    """Return `resized` with each u scaled so that `uᵀ W v` is what it was in `network`.

    So the weight keeps its numbers. A training would normalize u again.
    """
    changed = list(changed_spectral_norms(network, counts))
    if not changed:
        return resized
    values = [norm.value for norm in changed]
    before, after = (evaluate(_double(net), values) for net in (network, resized))
    tensors = dict(resized.tensors)
    for norm in changed:
        ratio = before[norm.value] / after[norm.value]
        tensors[norm.u] = tensors[norm.u] * ratio.to(tensors[norm.u])
    return replace(resized, tensors=tensors)


def changed_spectral_norms(network: Network, counts: ChannelCounts) -> Iterator[SpectralNorm]:
    """Yield the spectral norms of weights that lose or gain channels."""
    for norm in spectral_norms(network):
        matrix = as_ref(network.nodes[norm.product].inputs["self"]).name
        if any(map(counts.changes, counts.dims(matrix))):
            yield norm


def _double(network: Network) -> Network:
    double = network.map_tensors(Tensor.cpu)
    return double.map_dtypes(lambda dtype: torch.float64 if dtype.is_floating_point else dtype)
