"""Norms: their weights and biases are coupled with the channels that they scale."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels
from narrows.channels.records import Grouping
from narrows.channels.rules.registry import rule, subject
from narrows.graph.dimensions import as_list
from narrows.graph.node import Node, Ref, as_int, as_ref


@rule(
    "batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit.no_stats",
    "_native_batch_norm_legit_functional",
    "_native_batch_norm_legit_no_training",
    "instance_norm",
)
def _batch_norm(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    channels = graph.along(source, 1)
    if node.inputs.get("running_mean") is None:
        if node.op != "instance_norm":
            graph.fix(source, [0], "batch statistics run over them")
        for dim in range(2, len(graph.shape(source))):  # such as the inputs of a filter
            along = graph.along(source, dim)
            _normalize(graph, node, [] if along is None else [along])
    _couple_vectors(graph, node, channels)
    statistics = [() for _ in node.outputs[1:]]
    return [graph.labelling(source), *statistics]


@rule("group_norm", "native_group_norm")
def _group_norm(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Keep groups of channels equally large; groups of one channel are free."""
    source = subject(node)
    groups = as_int(node.inputs["num_groups" if node.op == "group_norm" else "group"])
    channels = graph.along(source, 1)
    if channels is not None and groups != len(channels):
        graph.groupings.append(Grouping((channels,), groups, None, node.op))
        _normalize(graph, node, np.split(channels, groups))
    _couple_vectors(graph, node, channels)
    return [graph.labelling(source), *[()] * (len(node.outputs) - 1)]


@rule("layer_norm", "native_layer_norm", "rms_norm")
def _layer_norm(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow a norm over channels: they can be pruned, though that changes the statistics."""
    source = subject(node)
    count = len(as_list(node.inputs["normalized_shape"]))
    for dim in range(-count, 0):
        channels = graph.along(source, dim)
        _normalize(graph, node, [] if channels is None else [channels])
        for name in ("weight", "bias"):
            vector = node.inputs.get(name)
            if isinstance(vector, Ref):
                graph.couple(graph.along(vector, dim), channels, node.op)
    return [graph.labelling(source), *[()] * (len(node.outputs) - 1)]


@rule("_weight_norm", "_weight_norm_interface")
def _weight_norm(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow `g v / ‖v‖` as `v`; surgery scales g so that what stays of the weight is as before."""
    v, g = as_ref(node.inputs["v"]), as_ref(node.inputs["g"])
    dim = as_int(node.inputs.get("dim", 0))
    if dim >= 0 and graph.shape(v)[dim] > 1:
        graph.couple(graph.along(g, dim), graph.along(v, dim), node.op)
    return [graph.labelling(v), graph.labelling(g)][: len(node.outputs)]


def _normalize(graph: ChannelGraph, node: Node, sets: Sequence[Labels]) -> None:
    graph.normalized.setdefault(node.outputs[0] or "", []).extend(sets)


def _couple_vectors(graph: ChannelGraph, node: Node, channels: Labels | None) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        vector = node.inputs.get(name)
        if isinstance(vector, Ref):
            graph.couple(graph.along(vector, 0), channels, node.op)
