"""Pooling, padding and interpolation: they keep channels apart and mix space."""

from collections.abc import Sequence

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent, placed
from narrows.channels.rules.registry import pin_everything, result_shape, rule, subject
from narrows.graph.dimensions import as_list, axis
from narrows.graph.node import Node, as_int, as_ref


@rule(
    *"avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d max_pool1d max_pool2d max_pool3d "
    "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d "
    "upsample_nearest1d upsample_nearest1d.vec upsample_nearest2d upsample_nearest2d.vec "
    "upsample_linear1d upsample_linear1d.vec upsample_bilinear2d upsample_bilinear2d.vec "
    "_upsample_bicubic2d_aa.vec _upsample_bilinear2d_aa.vec _upsample_nearest_exact1d.vec "
    "_upsample_nearest_exact2d.vec _upsample_nearest_exact3d.vec upsample_bicubic2d.vec "
    "upsample_nearest3d.vec upsample_trilinear3d.vec adaptive_max_pool3d max_pool1d_with_indices "
    "reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d".split()
)
def _spatial(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    count = int(next(character for character in node.op if character.isdigit()))
    space = [dim for dim in range(-count, 0) if not _passes(node, dim)]
    labelling = graph.fix(subject(node), space, f"{node.op} runs along them")
    return [independent(labelling, *space)] * len(node.outputs)


def _passes(node: Node, dim: int) -> bool:
    """Tell whether a pooling maps each index along a dimension by itself, and keeps all of them.

    Its window has one index there, such as where tokens are pooled and the last dimension is not.
    """
    if "kernel_size" not in node.inputs:
        return False
    given = [as_list(node.inputs.get(name) or 1) for name in ("kernel_size", "stride")]
    given.append([1 + as_int(n) for n in as_list(node.inputs.get("padding") or 0)])
    return all(sizes[dim if len(sizes) > 1 else 0] == 1 for sizes in given)


@rule("grid_sampler")
def _grid_sampler(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Follow an image [N, C, …] that is sampled at the places of a grid [N, …, 2 or 3]."""
    source, grid = as_ref(node.inputs["input"]), as_ref(node.inputs["grid"])
    graph.fix(grid, range(1, len(graph.shape(grid))), "an image is sampled at them")
    space = range(2, len(graph.shape(source)))
    return [independent(graph.fix(source, space, "it is sampled along them"), *space)]


@rule("im2col")
def _im2col(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow [N, C, H, W] → [N, C · kernel, places]: one channel becomes all of its kernel."""
    source = subject(node)
    if len(graph.shape(source)) != 4:
        return pin_everything(graph, node, index)
    graph.fix(source, (2, 3), "they are parted into windows")
    labelling = independent(graph.labelling(source), 2, 3)
    times = result_shape(graph, node)[1] // graph.shape(source)[1]
    return [
        tuple(
            (np.repeat(a, times, 1) if a.shape[1] > 1 else a).reshape(a.shape[0], -1, 1)
            for a in labelling
        )
    ]


@rule("col2im")
def _col2im(graph: ChannelGraph, node: Node, index: int) -> Sequence[Labelling]:
    """Follow [N, C · kernel, places] → [N, C, H, W]: all of a kernel become one channel."""
    source, result = subject(node), result_shape(graph, node)
    if len(result) != 4:
        return pin_everything(graph, node, index)
    labelling = independent(graph.fix(source, [2], "windows are summed of them"), 1, 2)
    channels = graph.along(source, 1)
    if channels is not None:
        channels = graph.tie(channels.reshape(result[1], -1), 1).ravel()
    return [(*(a[..., None] for a in labelling), *placed(channels, 1, 4))]


@rule("rot90")
def _rot90(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source = subject(node)
    dims = [axis(d, len(graph.shape(source))) for d in as_list(node.inputs.get("dims", [0, 1]))]
    return [independent(graph.fix(source, dims, "they are turned"), *dims)]
