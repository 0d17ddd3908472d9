"""Channel groups: the channels of all layers that can only be removed, or added, together.

The connected components of the labels' couplings that own a row of some layer's weight are the
*structures*; those that span the same layers form a *channel group*. See docs/architecture.md,
"Channel groups".

On a whiteboard: a convolution makes channels, a norm scales each by itself, ReLU changes nothing
about which is which, and the next convolution sums over them. So a channel of the first layer is
one row there, one entry of each of the norm's vectors, and one column of the next layer's weight:

>>> import torch
>>> from torch import nn
>>> from narrows.graph.from_export import as_network
>>> from narrows.graph.shapes import trace_shapes
>>> module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
>>> network = as_network(module, (torch.zeros(2, 1, 8, 8),))
>>> print(find_channels(network, trace_shapes(network)))
group 0: 4 channels of 0
  channel c is 0.weight[c], 0.bias[c], 1.weight[c], 1.bias[c],
  1.running_mean[c], 1.running_var[c], 3.weight[:, c]
3 keeps its 2 channels: they are the network's outputs
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from narrows.channels.boundaries import pin_parted
from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labels
from narrows.channels.pieces import split_groups
from narrows.channels.resolve import final_dims, resolve
from narrows.channels.rules import trace
from narrows.channels.rules.computed_weights import bind_computed, own_tensors
from narrows.channels.structures import NO_STRUCTURE, Channels, Layer
from narrows.channels.written_norms import settle_statistics
from narrows.graph.network import Network
from narrows.graph.node import Ref
from narrows.graph.shapes import Shapes

_OWN_WEIGHT = re.compile(r"\.(weight(_v|_orig)?|parametrizations\.weight\.original\d?)$", re.ASCII)


def find_channels(network: Network, shapes: Shapes, exclude: Collection[str] = ()) -> Channels:
    """Return the structures of `network`, grouped by the layers that they span.

    `exclude` names layers to leave alone. Channels that an operator's rule does not understand are
    pinned, and the layer carries the reason.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> len(channels), len(find_channels(network, shapes, exclude=["hidden"]))
    (2, 0)
    """
    graph = trace(network, shapes)
    for name in shapes.values:
        graph.labelling(Ref(name))  # all have their labels before these are numbered
    component = resolve(graph)
    pin_parted(graph, component)
    settle_statistics(graph, component)
    parameters = bind_computed(graph, component)
    names = _names(graph, parameters)
    for producer in graph.producers:
        if names[producer.weight] in exclude:
            graph.pin(producer.rows, "they are excluded by the request")
    pinned: dict[int, str] = {}
    for labels, reason in graph.pins:
        for c in np.unique(component[labels]).tolist():
            pinned.setdefault(c, reason)

    rows = {producer.weight: component[producer.rows] for producer in graph.producers}
    values = {
        name: final_dims(graph.labelling(Ref(name)), len(shape), component)
        for name, shape in shapes.values.items()
    }
    along = (labels for dims in values.values() for labels in dims if labels is not None)
    groups = split_groups(_group(rows, pinned), (component[labels] for labels in along))
    structure_of_component = np.full(component.max(initial=-1) + 1, NO_STRUCTURE)
    ordered = [c for group in groups for c in group]
    structure_of_component[ordered] = np.arange(len(ordered))
    group_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return Channels(
        layers=_layers(graph, names, parameters, rows, structure_of_component, group_of, pinned),
        groups=group_of,
        positions=np.concatenate([np.arange(len(group)) for group in groups] or [group_of]),
        structure_of=structure_of_component[component],
        tensors={
            name: final_dims(labelling, network.tensors[name].dim(), component)
            for name, labelling in graph.tensors.items()
        },
        values=values,
        normalized=graph.normalized,
    )


def layer_name(weight: str) -> str:
    """Return the module that owns a weight, or the weight's own name if it is not `….weight`.

    A module with several weights can't be the name of each. Weight and spectral norms have names
    for their own.

    >>> layer_name("layer1.0.conv1.weight"), layer_name("attention.in_proj_weight")
    ('layer1.0.conv1', 'attention.in_proj_weight')
    >>> layer_name("conv.parametrizations.weight.original1"), layer_name("conv.weight_v")
    ('conv', 'conv')
    """
    return _OWN_WEIGHT.sub("", weight)


def _names(graph: ChannelGraph, parameters: Mapping[Ref, tuple[str, int]]) -> dict[str | Ref, str]:
    """Return the name of each layer by its weight, or by the parameter that it is computed of.

    Without one the layer has the name of its module, followed by that of its result where names
    would be equal.
    """
    weights = [producer.weight for producer in graph.producers]
    own = {w: w if isinstance(w, str) else parameters.get(w, ("", 0))[0] for w in weights}
    uses = Counter(own.values())
    names: dict[str | Ref, str] = {
        w: layer_name(name) for w, name in own.items() if name and uses[name] == 1
    }
    for producer in graph.producers:
        if producer.weight not in names:
            node = graph.network.nodes[producer.node]
            result = str(node.outputs[0])
            name = node.module or result
            while name in names.values():
                name = f"{name}.{result}"
            names[producer.weight] = name
    return names


def _group(rows: Mapping[str | Ref, Labels], pinned: Collection[int]) -> list[list[int]]:
    """Return the components that can be pruned, grouped by the weights whose rows they own."""
    spans: dict[int, list[str | Ref]] = {}
    for weight, owned in rows.items():
        for c in dict.fromkeys(owned.tolist()):
            spans.setdefault(c, []).append(weight)
    groups: dict[tuple[str | Ref, ...], list[int]] = {}
    for c, weights in spans.items():
        if c not in pinned:
            groups.setdefault(tuple(weights), []).append(c)
    return list(groups.values())


def _layers(
    graph: ChannelGraph,
    names: Mapping[str | Ref, str],
    parameters: Mapping[Ref, tuple[str, int]],
    rows: Mapping[str | Ref, Labels],
    structure_of_component: Labels,
    group_of: Labels,
    pinned: Mapping[int, str],
) -> tuple[Layer, ...]:
    layers: dict[str | Ref, Layer] = {}
    holders: dict[str, str | Ref] = {}  # of a parameter that is counted once
    for producer in graph.producers:
        weight, bias = producer.weight, producer.bias
        named, dim = _parameter(parameters, weight, producer.channel_dim)
        named_bias, _ = _parameter(parameters, bias, 0)
        earlier = layers[weight].nodes if weight in layers else ()
        nodes = (*earlier, producer.node)
        own = list(filter(None, (named, named_bias)))
        if isinstance(weight, Ref) or isinstance(bias, Ref):
            own += own_tensors(graph.network, nodes)
        own = [name for name in own if holders.setdefault(name, weight) == weight]
        structures = structure_of_component[rows[weight]]
        prunable = structures[structures != NO_STRUCTURE]
        layers[weight] = Layer(
            name=names[weight],
            op=producer.op,
            weight=named,
            bias=named_bias,
            nodes=nodes,
            structures=structures,
            group=int(group_of[prunable[0]]) if len(prunable) else None,
            reason=None if len(prunable) else pinned[int(rows[weight][0])],
            channel_dim=dim,
            tensors=tuple(dict.fromkeys(own)),
            computed=(weight.name, producer.channel_dim) if isinstance(weight, Ref) else None,
        )
    return tuple(layers.values())


def _parameter(
    parameters: Mapping[Ref, tuple[str, int]], tensor: str | Ref | None, dim: int
) -> tuple[str | None, int]:
    """Return a tensor's name and `dim`; of a computed one, those of its parameter."""
    return parameters.get(tensor, (None, 0)) if isinstance(tensor, Ref) else (tensor, dim)
