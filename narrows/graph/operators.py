"""The operators that a network may use, and the one function that runs them.

An upload names operators by text, and an operator that is not in this table can't run. The table
leaves out on purpose operators that read files (`from_file`), return uninitialized memory
(`empty`), read beyond their input (`as_strided`), draw random numbers, or call other code (`cond`,
`map`).

See docs/security.md, "Rules for archives", 6, 7 and 9.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from narrows.graph import bounds, eval_mode

_NAMES = """
abs acos alias amax amin any any.dim arange arange.start arange.start_step argmax argmin asin atan
add.Scalar add.Tensor addmm baddbmm bmm dot linear matmul mm mv einsum outer
sub.Scalar sub.Tensor mul.Scalar mul.Tensor div.Scalar div.Tensor div.Tensor_mode rsub.Scalar
conv1d conv2d conv3d conv1d.padding conv2d.padding conv3d.padding convolution
conv_transpose1d conv_transpose2d.input conv_transpose3d.input
avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool2d_with_indices
max_pool3d_with_indices adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
batch_norm _native_batch_norm_legit _native_batch_norm_legit.no_stats
_native_batch_norm_legit_functional _native_batch_norm_legit_no_training
group_norm instance_norm layer_norm native_group_norm native_layer_norm rms_norm
_weight_norm _weight_norm_interface
dropout feature_dropout alpha_dropout feature_alpha_dropout native_dropout
celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish prelu
_prelu_kernel relu relu6 selu sigmoid silu softplus softshrink tanh threshold
softmax.int _softmax log_softmax.int _log_softmax scaled_dot_product_attention
_scaled_dot_product_flash_attention_for_cpu gru.input lstm.input
ceil clamp clamp.Tensor clamp_max clamp_min cos cosh cumsum erf exp expm1 floor log log1p log2
logsumexp maximum minimum max.dim min.dim max min mean mean.dim neg pow.Scalar pow.Tensor_Scalar
pow.Tensor_Tensor prod prod.dim_int reciprocal round rsqrt sign sin sinh sqrt square sum
sum.dim_IntList tan var var.correction var.dim var_mean.correction std std.dim std.correction
linalg_vector_norm
bitwise_and.Tensor bitwise_not bitwise_or.Tensor eq.Scalar eq.Tensor ge.Scalar ge.Tensor gt.Scalar
gt.Tensor isnan le.Scalar le.Tensor lt.Scalar lt.Tensor ne.Scalar ne.Tensor logical_and logical_not
logical_or masked_fill.Scalar masked_fill.Tensor where.self where.Scalar where.ScalarOther
where.ScalarSelf
embedding gather index.Tensor index_select
broadcast_tensors cat chunk clone constant_pad_nd contiguous detach expand expand_as
flatten.using_ints flip lift_fresh_copy movedim.int movedim.intlist mT narrow numpy_T pad permute
pixel_shuffle pixel_unshuffle channel_shuffle reflection_pad1d reflection_pad2d replication_pad1d
replication_pad2d repeat repeat_interleave.self_int reshape roll select.int slice.Tensor
split.Tensor split_with_sizes squeeze squeeze.dim squeeze.dims stack t to.device to.dtype
to.dtype_layout _to_copy transpose.int tril triu type_as unbind.int unflatten.int unsqueeze view
_unsafe_view view_as upsample_bilinear2d upsample_bilinear2d.vec upsample_linear1d
upsample_linear1d.vec upsample_nearest1d upsample_nearest1d.vec upsample_nearest2d
upsample_nearest2d.vec
full full_like new_full new_ones new_zeros ones ones_like scalar_tensor zeros zeros_like
binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss cosine_similarity
cross_entropy_loss hinge_embedding_loss huber_loss kl_div l1_loss margin_ranking_loss mse_loss
multi_margin_loss multilabel_margin_loss nll_loss2d_forward nll_loss_forward nll_loss_nd
pairwise_distance poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss
"""


def _overloads(names: Iterable[str]) -> Iterable[tuple[str, OpOverload]]:
    for name in names:
        packet, _, overload = name.partition(".")
        operation = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if isinstance(operation, OpOverload):  # else this torch is too old to have it
            yield name, operation


OPERATORS: Mapping[str, OpOverload] = dict(_overloads(_NAMES.split()))
"""Every operator on tensors, keyed `conv2d` (the default overload) or `add.Tensor`."""


def _sym_size(tensor: Tensor, dim: int) -> int:
    return tensor.shape[dim]


SYMBOLIC: Mapping[str, Callable[..., Any]] = {
    "sym_size.int": _sym_size,
    "sym_max": torch.sym_max,
    "sym_min": torch.sym_min,
    "operator.add": operator.add,
    "operator.sub": operator.sub,
    "operator.mul": operator.mul,
    "operator.floordiv": operator.floordiv,
    "operator.mod": operator.mod,
    "operator.neg": operator.neg,
    "operator.eq": operator.eq,
    "operator.ne": operator.ne,
    "operator.lt": operator.lt,
    "operator.le": operator.le,
    "operator.gt": operator.gt,
    "operator.ge": operator.ge,
}
"""Integer arithmetic on sizes. `sym_size.int` takes `self`, `dim`; the others `a`, `b`."""

_INPLACE = """
add.Tensor sub.Tensor mul.Tensor div.Tensor alpha_dropout celu clamp clamp_max clamp_min dropout elu
exp feature_alpha_dropout feature_dropout hardsigmoid hardswish hardtanh leaky_relu mish
masked_fill.Scalar neg relu relu6 selu sigmoid silu sqrt tanh threshold
"""
INPLACE: Mapping[str, str] = {
    f"{packet}_{dot}{overload}": f"{packet}{dot}{overload}"
    for packet, dot, overload in (name.partition(".") for name in _INPLACE.split())
}
"""In-place operators (`add_.Tensor`), each with the functional operator of the same result."""

_VIEWS = """
alias alpha_dropout broadcast_tensors channel_shuffle chunk contiguous detach dropout einsum expand
expand_as feature_alpha_dropout feature_dropout flatten.using_ints movedim.int movedim.intlist mT
narrow numpy_T permute pixel_shuffle pixel_unshuffle reshape select.int slice.Tensor split.Tensor
split_with_sizes squeeze squeeze.dim squeeze.dims t to.device to.dtype to.dtype_layout _to_copy
transpose.int type_as unbind.int unflatten.int unsqueeze view _unsafe_view view_as
"""
VIEWS = frozenset(_VIEWS.split())
"""Operators whose result may share memory with their first tensor argument."""

_DROPPED = """
_assert_async _assert_async.msg _assert_scalar _assert_tensor_metadata sym_constrain_range
sym_constrain_range_for_size
"""
DROPPED = frozenset(_DROPPED.split())
"""Assertions of the exporter; they compute nothing, so readers of programs leave them out."""

PLACEMENT = frozenset({"device", "layout", "memory_format", "pin_memory", "non_blocking"})
"""Arguments for the device and layout of a tensor; a network runs on the device of its inputs."""

_CALLS: Mapping[str, Callable[..., Any]] = {**OPERATORS, **eval_mode.REWRITES}


def run(op: str, arguments: dict[str, Any]) -> Any:
    """Run one operator as in eval mode; return its tensor, its tensors, or its integer.

    `arguments` are named, and ordered, as in the operator's schema, and name no device, layout or
    memory format. Results are on the device of the tensor arguments, or without any (`arange`,
    `zeros`) on torch's default device. Works on fake and meta tensors and under `torch.func`.

    Raises OutOfBoundsError, a ValueError that begins with the operator's name, where an argument
    is out of the bounds that keep native kernels from crashing.

    >>> run("mul.Tensor", {"self": torch.tensor([3.0]), "other": torch.tensor([4.0])})
    tensor([12.])
    >>> run("dropout", {"input": torch.tensor([3.0]), "p": 0.5, "train": True})  # in eval mode
    tensor([3.])
    >>> run("operator.floordiv", {"a": 1, "b": 0})
    Traceback (most recent call last):
    narrows.graph.bounds.OutOfBoundsError: operator.floordiv: integer division or modulo by zero
    """
    try:
        if op in SYMBOLIC:
            size = SYMBOLIC[op](*arguments.values())
            bounds.check_size(size)
            return size
        bounds.check_arguments(op, arguments)
    except (bounds.OutOfBoundsError, ZeroDivisionError) as error:
        raise bounds.OutOfBoundsError(f"{op}: {error}") from None
    return _CALLS[op](**arguments)
