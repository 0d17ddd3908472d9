"""The operators by name: those that a network may use, and what they are to the readers.

A name is `conv2d` (the default overload) or `add.Tensor`. The list leaves out on purpose operators
that read files (`from_file`), return uninitialized memory (`empty`), read beyond their input
(`as_strided`), draw random numbers, or call other code (`cond`, `map`).

See docs/security.md, "Rules for archives", 6.
"""

from collections.abc import Mapping

NAMES = """
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
embedding gather index.Tensor index_put index_select
broadcast_tensors cat chunk clone constant_pad_nd contiguous copy detach expand expand_as
flatten.using_ints flip lift_fresh_copy movedim.int movedim.intlist mT narrow numpy_T pad permute
pixel_shuffle pixel_unshuffle channel_shuffle reflection_pad1d reflection_pad2d replication_pad1d
replication_pad2d repeat repeat_interleave.self_int reshape reshape_as roll select.int
select_scatter slice.Tensor slice_scatter
split.Tensor split_with_sizes squeeze squeeze.dim squeeze.dims stack t to.device to.dtype
to.dtype_layout _to_copy transpose.int tril triu type_as unbind.int unflatten.int unsqueeze view
_unsafe_view view_as upsample_bilinear2d upsample_bilinear2d.vec upsample_linear1d
upsample_linear1d.vec upsample_nearest1d upsample_nearest1d.vec upsample_nearest2d
upsample_nearest2d.vec
fill.Scalar fill.Tensor full full_like new_full new_ones new_zeros ones ones_like scalar_tensor
zero zeros zeros_like
binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss cosine_similarity
cross_entropy_loss hinge_embedding_loss huber_loss kl_div l1_loss margin_ranking_loss mse_loss
multi_margin_loss multilabel_margin_loss nll_loss2d_forward nll_loss_forward nll_loss_nd
pairwise_distance poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss
"""

_VIEWS = """
alias alpha_dropout broadcast_tensors channel_shuffle chunk contiguous detach dropout einsum expand
expand_as feature_alpha_dropout feature_dropout flatten.using_ints movedim.int movedim.intlist mT
narrow numpy_T permute pixel_shuffle pixel_unshuffle reshape reshape_as select.int slice.Tensor
split.Tensor split_with_sizes squeeze squeeze.dim squeeze.dims t to.device to.dtype
to.dtype_layout _to_copy transpose.int type_as unbind.int unflatten.int unsqueeze view
_unsafe_view view_as
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

INLINED: Mapping[str, int] = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
"""Higher-order operators that only switch gradients or autocast, with their number of options.

Readers of programs put the calls in their place, if they switch autocast off.
"""

SAME: Mapping[str, str] = {
    "detach_": "detach",  # it writes nothing
    "__and__.Tensor": "bitwise_and.Tensor",
    "__iand__.Tensor": "bitwise_and_.Tensor",
    "__or__.Tensor": "bitwise_or.Tensor",
    "__ior__.Tensor": "bitwise_or_.Tensor",
    "swapaxes": "transpose.int",
    "swapdims": "transpose.int",
    "max.other": "maximum",
    "min.other": "minimum",
}
"""Other names of operators; arguments are the same in the same order, under other names."""
