"""Convolutions: what their weights' dimensions are coupled with."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, independent, placed
from narrows.channels.records import Grouping
from narrows.channels.rules.computed_weights import list_computed
from narrows.channels.rules.layers import Weight, produce, weight_of
from narrows.channels.rules.registry import pin_everything, result_shape, rule, subject
from narrows.graph.node import Node, Ref, as_int, as_ref


@rule("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "conv3d.padding")
@rule("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input", "convolution")
def _convolution(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    source = subject(node)
    weight = weight_of(graph, node.inputs["weight"])
    rank = len(graph.shape(source))
    if rank != len(graph.shape(as_ref(node.inputs["weight"]))):  # one sample, no batch
        return pin_everything(graph, node, index)
    if weight is None:
        return list_computed(graph, node, index)
    if weight.ref.name not in graph.network.leaves:
        weight = Weight(weight.ref, weight.ref, tuple(range(rank)))
    transposed = bool(node.inputs.get("transposed", node.op.startswith("conv_transpose")))
    space = [dim for dim in range(2, rank) if not _passes(graph, node, weight.ref, dim)]
    graph.fix(source, space, "a convolution runs along them")
    into = graph.along(source, 1)
    dim, out = (_transposed if transposed else _forward)(graph, node, weight, into)
    out = produce(graph, node, index, weight, dim, out)
    return [(*independent(graph.labelling(source), 1, *space), *placed(out, 1, rank))]


def _passes(graph: ChannelGraph, node: Node, weight: Ref, dim: int) -> bool:
    """Tell whether a convolution maps each index along `dim` by itself, and keeps all of them."""
    return (
        graph.shape(weight)[dim] == 1
        and graph.shape(subject(node))[dim] == result_shape(graph, node)[dim]
    )


def _forward(
    graph: ChannelGraph, node: Node, weight: Weight, into: Labels | None
) -> tuple[int, Labels | None]:
    """Couple a convolution's input with its weight [out, in / groups, …].

    Return the weight's dimension of output channels, and their labels.
    """
    rows, columns = graph.along(weight.ref, 0), graph.along(weight.ref, 1)
    groups, channels = _groups(graph, node)
    outputs = graph.shape(weight.ref)[0]
    if groups == 1:
        graph.couple(into, columns, node.op)
    elif groups == channels:  # depthwise: of channel i come channels k·i … k·i + k − 1
        spread = None if into is None else np.repeat(into, outputs // channels)
        graph.couple(spread, rows, node.op)
    elif into is not None and rows is not None and columns is not None:
        graph.groupings.append(Grouping((into, rows), groups, columns, node.op))
    else:
        for labels in (into, rows):
            if labels is not None:
                graph.tie_blocks(labels, groups)
        graph.couple(None if into is None else into[: channels // groups], columns, node.op)
    return 0, rows


def _transposed(
    graph: ChannelGraph, node: Node, weight: Weight, into: Labels | None
) -> tuple[int, Labels | None]:
    """Couple a transposed convolution's input with its weight [in, out / groups, …].

    Return the weight's dimension of output channels, and their labels.
    """
    rows, columns = graph.along(weight.ref, 1), graph.along(weight.ref, 0)
    groups, channels = _groups(graph, node)
    graph.couple(into, columns, node.op)
    if groups == 1:
        return 1, rows
    if groups == channels:  # depthwise: the output channels of a channel go with it
        graph.pin(rows, "each channel of a depthwise convolution makes as many")
        multiplier = graph.shape(weight.ref)[1]
        return 0, None if columns is None else np.repeat(columns, multiplier)
    if into is not None:
        graph.tie_blocks(into, groups)
    if rows is not None:
        graph.repeated(rows, 0, node.op)
    return 1, None if rows is None else np.tile(rows, groups)


def _groups(graph: ChannelGraph, node: Node) -> tuple[int, int]:
    return as_int(node.inputs.get("groups", 1)), graph.shape(subject(node))[1]
