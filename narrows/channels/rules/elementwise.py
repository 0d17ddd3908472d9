"""Elementwise operators: channels keep their index, and those of two operands are coupled."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from narrows.channels.channel_graph import ChannelGraph
from narrows.channels.labels import Labelling, Labels, independent, spanned
from narrows.channels.records import Meeting
from narrows.channels.rules.registry import result_shape, rule, subject, tensors_of
from narrows.graph.node import Node, as_int, as_ref

Operand = tuple[tuple[int, ...], Labelling]
"""A shape and its labels."""


@rule(
    *"abs acos alias asin atan bitwise_not ceil celu clamp clamp_max clamp_min clone contiguous "
    "cos cosh detach elu erf exp expm1 eq.Scalar fill.Scalar fill.Tensor floor full_like ge.Scalar "
    "gelu gt.Scalar "
    "hardshrink hardsigmoid hardswish hardtanh le.Scalar leaky_relu lift_fresh_copy log log1p log2 "
    "log_sigmoid logical_not lt.Scalar mish ne.Scalar neg ones_like pow.Tensor_Scalar "
    "reciprocal relu relu6 round rsqrt rsub.Scalar selu sigmoid sign silu sin sinh softplus "
    "softshrink sqrt square tan tanh threshold to.device to.dtype to.dtype_layout _to_copy "
    "acosh asinh atanh bitwise_and.Scalar bitwise_or.Scalar deg2rad digamma erfc erfinv exp2 "
    "fmod.Scalar frac isfinite isinf isneginf isposinf lgamma log10 logit nan_to_num rad2deg "
    "remainder.Scalar round.decimals rrelu signbit sinc trunc "
    "isnan zero zeros_like add.Scalar sub.Scalar mul.Scalar div.Scalar tril triu".split()
)
def _unary(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    if node.op in ("alias", "detach", "clone", "contiguous", "lift_fresh_copy"):
        same = graph.weights.get(subject(node).name)
        if same and node.outputs[0]:
            graph.weights[node.outputs[0]] = same
    return [graph.labelling(subject(node))]


@rule("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def _dropout(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    return [graph.labelling(subject(node))] * len(node.outputs)


@rule("type_as")
def _first_alone(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    return [graph.labelling(subject(node))]


@rule("one_hot")
def _one_hot(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    return [tuple(labels[..., None] for labels in graph.labelling(subject(node)))]


@rule("pow.Scalar")
def _exponential(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    return [graph.labelling(as_ref(node.inputs["exponent"]))]


@rule(
    *"add.Tensor sub.Tensor mul.Tensor div.Tensor div.Tensor_mode maximum minimum "
    "pow.Tensor_Tensor eq.Tensor ne.Tensor ge.Tensor gt.Tensor le.Tensor lt.Tensor "
    "bitwise_and.Tensor bitwise_or.Tensor logical_and logical_or masked_fill.Scalar "
    "masked_fill.Tensor where.self where.Scalar where.ScalarOther where.ScalarSelf "
    "clamp.Tensor copy addcdiv addcmul atan2 bitwise_xor.Tensor clamp_max.Tensor clamp_min.Tensor "
    "copysign.Tensor floor_divide fmax fmin fmod.Tensor heaviside hypot isclose ldexp.Tensor "
    "lerp.Scalar lerp.Tensor logaddexp logaddexp2 logical_xor remainder.Tensor "
    "xlogy.Tensor".split()
)
def _broadcast(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    operands = [(graph.shape(ref), graph.labelling(ref)) for ref in tensors_of(graph, node)]
    return [combine(graph, operands, node.op)]


@rule("prelu", "_prelu_kernel")
def _prelu(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    source, slope = tensors_of(graph, node)
    if node.op == "prelu" and graph.shape(slope) != (1,):
        channels = graph.along(source, 1)
        graph.couple(graph.along(slope, 0), channels, node.op)
        return [graph.labelling(source)]
    operands = [(graph.shape(ref), graph.labelling(ref)) for ref in (source, slope)]
    return [combine(graph, operands, node.op)]


@rule("glu")
def _glu(graph: ChannelGraph, node: Node, _index: int) -> Sequence[Labelling]:
    """Couple each channel of the first half with the one of the second that gates it."""
    source = subject(node)
    dim, result = as_int(node.inputs.get("dim", -1)), []
    for labels in graph.labelling(source):
        if labels.shape[dim] > 1:
            graph.bound(labels, dim, [labels.shape[dim] // 2], node.op)
            labels, gates = np.split(labels, 2, dim)
            graph.couple(labels, gates, node.op)
            if result_shape(graph, node)[dim] == 1:
                graph.pin(labels, "a piece of one channel can't be cut")
        result.append(labels)
    return [tuple(result)]


def combine(graph: ChannelGraph, operands: Sequence[Operand], why: str) -> Labelling:
    """Couple the labels of operands that are broadcast; return the result's labelling.

    Labels along a dimension of equal size are coupled, index by index. A dimension of size 1, which
    is repeated, couples nothing. `why` names the operator.

    >>> from narrows.channels.labels import placed
    >>> from narrows.example import two_neurons
    >>> graph = ChannelGraph(*two_neurons()[:2])
    >>> a, b = graph.fresh(2), graph.fresh(2)  # channels of values [8, 2] and [2]
    >>> combine(graph, [((8, 2), placed(a, 1, 2)), ((2,), placed(b, 0, 1))], "add.Tensor")
    (array([[0, 1]]),)
    >>> graph.components()
    array([0, 1, 0, 1])
    """
    rank = max(len(shape) for shape, _ in operands)
    shapes = [(1,) * (rank - len(shape)) + shape for shape, _ in operands]
    labellings = [
        tuple(labels.reshape((1,) * (rank - labels.ndim) + labels.shape) for labels in labelling)
        for _, labelling in operands
    ]
    for dim in range(rank):
        full = [i for i, shape in enumerate(shapes) if shape[dim] > 1]
        along = [[a for a in labellings[i] if a.shape[dim] > 1] for i in full]
        plain = [len(spanned(a)) == 1 for arrays in along for a in arrays]
        held = [graph.is_held(a) for arrays in along for a in arrays if len(spanned(a)) == 1]
        if not all(along) or (any(held) and not all(plain)):
            reason = f"they meet a dimension that is not followed ({why})"
            for i in full:
                labellings[i] = graph.fix_array(labellings[i], dim, reason)
            labellings = [independent(labelling, dim) for labelling in labellings]
    arrays = [labels for labelling in labellings for labels in labelling if spanned(labels)]
    return tuple(_join(graph, arrays, why))


def _join(graph: ChannelGraph, arrays: list[Labels], why: str) -> list[Labels]:
    """Couple arrays of labels that share a dimension, until no two do."""
    for a, b in combinations(range(len(arrays)), 2):
        dims_a, dims_b = set(spanned(arrays[a])), set(spanned(arrays[b]))
        if dims_a & dims_b:
            rest = [array for i, array in enumerate(arrays) if i not in (a, b)]
            return _join(graph, [*_joined(graph, arrays[a], arrays[b], why), *rest], why)
    return arrays


def _joined(graph: ChannelGraph, a: Labels, b: Labels, why: str) -> list[Labels]:
    dims_a, dims_b = set(spanned(a)), set(spanned(b))
    if len(dims_a) < len(dims_b):
        a, b, dims_a, dims_b = b, a, dims_b, dims_a
    if dims_a == dims_b:
        graph.couple(a, b, why)
        return [a if graph.is_bound(a) else b]
    if dims_b < dims_a:
        if len(dims_b) == 1:
            graph.meetings.append(Meeting(a, b, why))
        else:
            graph.couple(a, np.broadcast_to(b, a.shape), why)
        return [a]
    for dim in dims_a - dims_b:
        a = graph.tie(a, dim)
    for dim in dims_b - dims_a:
        b = graph.tie(b, dim)
    return _joined(graph, a, b, why) if spanned(a) and spanned(b) else [a, b]
