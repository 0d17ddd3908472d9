"""Views: they split and merge dimensions; labels of split dimensions become joint."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, collapsed, spanned
from narrows.channels.rules.elementwise import combine
from narrows.channels.rules.registry import result_shape, rule, subject
from narrows.graph.node import Node, as_int, as_ref


@rule(
    *"view reshape flatten.using_ints unflatten.int squeeze squeeze.dim squeeze.dims unsqueeze "
    "_unsafe_view view_as reshape_as".split()
)
def _view(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source, shape = subject(node), result_shape(graph, node)
    if graph.shape(source) == shape and source.name in graph.weights and node.outputs[0]:
        graph.weights[node.outputs[0]] = graph.weights[source.name]
    result = reshape(graph, graph.labelling(source), graph.shape(source), shape, node.op)
    if node.op in ("view_as", "reshape_as"):
        like = as_ref(node.inputs["other"])
        return [combine(graph, [(shape, result), (shape, graph.labelling(like))], node.op)]
    return [result]


@rule("pixel_shuffle")
def _pixel_shuffle(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow […, C·r·r, H, W] → […, C, H·r, W·r]: r·r channels become one."""
    source, result = subject(node), result_shape(graph, node)
    *batch, channels, height, width = result
    r = height // graph.shape(source)[-2]
    split = (*batch, channels, r, r, height // r, width // r)
    labelling = reshape(graph, graph.labelling(source), graph.shape(source), split, node.op)
    for dim in (-4, -3, -2, -1):
        labelling = graph.fix_array(labelling, dim, "they are moved into space")
    labelling = tuple(labels for labels in labelling if max(labels.shape[-4:]) == 1)
    return [tuple(labels.reshape(labels.shape[:-2]) for labels in labelling)]


@rule("pixel_unshuffle")
def _pixel_unshuffle(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow […, C, H·r, W·r] → […, C·r·r, H, W]: one channel becomes r·r."""
    source, result = subject(node), result_shape(graph, node)
    graph.fix(source, (-2, -1), "space is moved into channels")
    repeats = result[-3] // graph.shape(source)[-3]
    labelling = graph.labelling(source)
    return [
        tuple(
            np.repeat(labels, repeats, -3) if labels.shape[-3] > 1 else labels
            for labels in labelling
            if max(labels.shape[-2:]) == 1
        )
    ]


@rule("channel_shuffle")
def _channel_shuffle(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """View as [N, groups, C / groups, …], swap the two, and merge them again."""
    source, groups = subject(node), as_int(node.inputs["groups"])
    batch, channels, *space = graph.shape(source)
    channel = graph.along(source, 1)
    if channel is not None:
        graph.tie_blocks(channel, groups)
    split = (batch, groups, channels // groups, *space)
    swapped = (batch, channels // groups, groups, *space)
    labelling = reshape(graph, graph.labelling(source), graph.shape(source), split, node.op)
    labelling = tuple(labels.swapaxes(1, 2) for labels in labelling)
    return [reshape(graph, labelling, swapped, graph.shape(source), node.op)]


def reshape(
    graph: ChannelGraph, labelling: Labelling, old: Sequence[int], new: Sequence[int], why: str
) -> Labelling:
    """Return the labels of a value after a view from shape `old` to `new`, of equal volume.

    `why` names the operator. A split dimension has joint labels, and their merge has plain ones:

    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> (heads,) = reshape(graph, (graph.fresh(6).reshape(1, 6),), (9, 6), (9, 2, 3), "view")
    >>> heads
    array([[[0, 1, 2],
            [3, 4, 5]]])
    >>> reshape(graph, (heads,), (9, 2, 3), (9, 6), "view")
    (array([[0, 1, 2, 3, 4, 5]]),)
    """
    runs = list(_matching(old, new))
    for before, _ in runs:
        labelling = _one_alone(graph, labelling, before, why)
    result = []
    for labels in labelling:
        full, target = list(labels.shape), []
        for before, after in runs:
            if prod(labels.shape[i] for i in before) > 1:
                full[before.start : before.stop] = [old[i] for i in before]
                target += [new[j] for j in after]
            else:
                target += [1] * len(after)
        viewed = collapsed(np.broadcast_to(labels, full).reshape(target))
        for before, after in runs:
            _bound_rows(graph, labels, before, old, why)
            _bound_rows(graph, viewed, after, new, why)
        result.append(viewed)
    return tuple(result)


def _bound_rows(
    graph: ChannelGraph, labels: Labels, run: range, shape: Sequence[int], why: str
) -> None:
    """Record that labels of an inner dimension begin anew with each index of the outer ones."""
    for dim in run:
        if prod(shape[run.start : dim]) > 1:
            graph.repeated(labels, dim, why)


def _one_alone(graph: ChannelGraph, labelling: Labelling, run: range, why: str) -> Labelling:
    """Keep at most one array of labels along dimensions that are merged with each other.

    Of two, such as heads and their width, it is the outer one, whose channels stay together, but
    rather a layer's channels than others, such as learned queries.
    """
    along = [labels for labels in labelling if any(labels.shape[i] > 1 for i in run)]
    if len(along) < 2:
        return labelling
    bound = [labels for labels in along if graph.is_bound(labels)]
    rows = [producer.rows for producer in graph.producers] if len(bound) > 1 else []
    kept = min(
        bound,
        key=lambda labels: (not any(np.isin(r, labels).any() for r in rows), spanned(labels)[0]),
        default=None,
    )
    result = [labels for labels in labelling if all(labels is not other for other in along)]
    for labels in along:
        if labels is kept:
            result.append(labels)
            continue
        (fixed,) = (labels,)
        for dim in run:
            (fixed,) = graph.fix_array((fixed,), dim, f"{why} merges them with others")
        if max(fixed.shape[run.start : run.stop]) == 1:
            result.append(fixed)
    return tuple(result)


def _matching(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[range, range]]:
    """Yield the shortest runs of dimensions of equal volume in two shapes of equal volume.

    >>> list(_matching([2, 12, 5], [2, 3, 4, 5]))
    [(range(0, 1), range(0, 1)), (range(1, 2), range(1, 3)), (range(2, 3), range(3, 4))]
    """
    i = j = 0
    while i < len(old) or j < len(new):
        first_i, first_j, a, b = i, j, 1, 1
        while i == first_i or j == first_j or a != b:
            if i < len(old) and (a <= b or j == len(new)):
                a, i = a * old[i], i + 1
            elif j < len(new):
                b, j = b * new[j], j + 1
            else:
                break
        yield range(first_i, i), range(first_j, j)
