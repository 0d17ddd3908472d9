"""Norms that are written out: channels divided by, or centred on, statistics that run over them.

Models spell RMS norm as `x * rsqrt(mean(x²) + eps)`, and layer norm likewise. The statistics of a
norm may run over channels that are pruned; those of anything else, such as a pooled value, may not.

See docs/architecture.md, "Channel groups".
"""

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labels
from narrows.graph.node import Node, Ref

_SAME = frozenset(
    "add.Scalar add.Tensor sub.Scalar sub.Tensor mul.Scalar mul.Tensor div.Scalar div.Tensor sqrt "
    "square abs clamp clamp_min clamp_max maximum to.device to.dtype to.dtype_layout _to_copy "
    "type_as unsqueeze squeeze squeeze.dim squeeze.dims view _unsafe_view reshape expand expand_as "
    "contiguous clone detach alias pow.Tensor_Scalar".split()
)
"""Operators whose result grows with a statistic, or with its inverse."""
_INVERSE = frozenset({"rsqrt", "reciprocal"})


def settle_statistics(graph: ChannelGraph, component: Labels) -> None:
    """Record the statistics of norms as such; pin the channels of all others.

    `component` are the components of all labels, after `resolve`.

    >>> from torch import nn, zeros
    >>> from narrows.channels.resolve import resolve
    >>> from narrows.channels.rules import trace
    >>> from narrows.graph.from_export import as_network
    >>> from narrows.graph.shapes import trace_shapes
    >>> class Norm(nn.Module):
    ...     def forward(self, x):
    ...         return x / x.square().mean(-1, keepdim=True).sqrt()
    >>> module = nn.Sequential(nn.Linear(1, 2), Norm(), nn.Linear(2, 1))
    >>> network = as_network(module, (zeros(2, 1),))
    >>> graph = trace(network, trace_shapes(network))
    >>> settle_statistics(graph, resolve(graph))
    >>> graph.normalized
    {'mean': [array([0, 1])]}
    """
    for statistic in graph.statistics:
        node = graph.network.nodes[statistic.node]
        results = [name for name in node.outputs if name]
        channels = set(np.unique(component[statistic.channels]).tolist())
        if all(_normalizes(graph, name, channels, component) for name in results):
            graph.normalized.setdefault(node.outputs[0] or "", []).append(statistic.channels)
        else:
            graph.pin(statistic.channels, f"{node.op} runs over them")


def _normalizes(graph: ChannelGraph, statistic: str, channels: set[int], component: Labels) -> bool:
    """Tell whether the channels are centred on the statistic or divided by it, and no more."""
    nodes, readers = graph.network.nodes, graph.network.readers
    waiting, seen = [(statistic, False)], set[tuple[str, bool]]()
    while waiting:
        value, inverse = waiting.pop()
        if (value, inverse) in seen:
            continue
        seen.add((value, inverse))
        for index in readers.get(value, []):
            node = nodes[index] if index >= 0 else None
            if node is None or not (node.op in _SAME or node.op in _INVERSE):
                return False
            result = node.outputs[0] or ""
            if node.op != "expand_as" and _has(graph, result, channels, component):
                if not _ends(node, value, inverse):
                    return False
            else:
                waiting.append((result, inverse ^ _inverts(node, value)))
    return True


def _has(graph: ChannelGraph, value: str, channels: set[int], component: Labels) -> bool:
    """Tell whether a value has some of the channels."""
    return any(
        not channels.isdisjoint(component[labels].ravel().tolist())
        for labels in graph.labelling(Ref(value))
    )


def _ends(node: Node, statistic: str, inverse: bool) -> bool:
    """Tell whether the call centres channels on the statistic, or divides them by it."""
    divisor = node.inputs.get("other") == Ref(statistic)
    match node.op:
        case "sub.Tensor":
            return divisor and not inverse
        case "mul.Tensor":
            return inverse
        case "div.Tensor":
            return divisor and not inverse
    return False


def _inverts(node: Node, statistic: str) -> bool:
    """Tell whether the call makes of a statistic its inverse."""
    power = node.inputs.get("exponent")
    return (
        node.op in _INVERSE
        or (isinstance(power, int | float) and power < 0)
        or (node.op == "div.Tensor" and node.inputs.get("self") != Ref(statistic))
    )
