"""Pooling, padding and interpolation: they keep channels apart and mix space."""

from collections.abc import Sequence

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, independent
from narrows.channels.rules.registry import rule, subject
from narrows.graph.node import Node


@rule(
    *"avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d max_pool1d max_pool2d max_pool3d "
    "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d "
    "upsample_nearest1d upsample_nearest1d.vec upsample_nearest2d upsample_nearest2d.vec "
    "upsample_linear1d upsample_linear1d.vec upsample_bilinear2d upsample_bilinear2d.vec "
    "reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d".split()
)
def _spatial(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    digit = next(character for character in node.op if character.isdigit())
    space = range(-int(digit), 0)
    labelling = graph.fix(subject(node), space, f"{node.op} runs along them")
    return [independent(labelling, *space)] * len(node.outputs)
