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
acosh asinh atanh deg2rad digamma erfc erfinv exp2 frac isfinite isinf isneginf isposinf lgamma
log10 logit nan_to_num rad2deg round.decimals rrelu signbit sinc trunc
addcdiv addcmul atan2 bitwise_and.Scalar bitwise_or.Scalar bitwise_xor.Tensor clamp_max.Tensor
clamp_min.Tensor copysign.Tensor floor_divide fmax fmin fmod.Scalar fmod.Tensor heaviside hypot
isclose ldexp.Tensor lerp.Scalar lerp.Tensor logaddexp logaddexp2 logical_xor remainder.Scalar
remainder.Tensor xlogy.Tensor
all all.dim all.dims aminmax any.dims count_nonzero count_nonzero.dim_IntList kthvalue linalg_norm
median median.dim nanmean nansum std_mean.correction std_mean.dim var_mean.dim
cummax cummin cumprod logcumsumexp argsort argsort.stable sort sort.stable topk diff
addbmm addmv addr bilinear inner linalg_vecdot tensordot trace
gru_cell lstm_cell rnn_relu.input rnn_relu_cell rnn_tanh.input rnn_tanh_cell
_upsample_bicubic2d_aa.vec _upsample_bilinear2d_aa.vec _upsample_nearest_exact1d.vec
_upsample_nearest_exact2d.vec _upsample_nearest_exact3d.vec upsample_bicubic2d.vec
upsample_nearest3d.vec upsample_trilinear3d.vec adaptive_max_pool3d max_pool1d_with_indices
affine_grid_generator col2im grid_sampler im2col
bucketize.Tensor index_add index_copy index_fill.int_Scalar index_fill.int_Tensor isin.Tensor_Tensor
masked_scatter one_hot scatter.src scatter.value scatter_add scatter_reduce.two searchsorted.Tensor
take take_along_dim
column_stack diag_embed diagonal diagonal_scatter dstack hstack meshgrid.indexing rot90 sum_to_size
tensor_split.indices tensor_split.sections tile unfold vstack
eye eye.m hann_window linspace logspace tril_indices triu_indices
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
alias alpha_dropout broadcast_tensors channel_shuffle chunk contiguous detach diagonal dropout
einsum expand meshgrid.indexing sum_to_size tensor_split.indices tensor_split.sections unfold
expand_as feature_alpha_dropout feature_dropout flatten.using_ints movedim.int movedim.intlist mT
narrow numpy_T permute pixel_shuffle pixel_unshuffle reshape reshape_as select.int slice.Tensor
split.Tensor split_with_sizes squeeze squeeze.dim squeeze.dims t to.device to.dtype
to.dtype_layout _to_copy transpose.int type_as unbind.int unflatten.int unsqueeze view
_unsafe_view view_as
"""
VIEWS = frozenset(_VIEWS.split())
"""Operators whose result may share memory with their first tensor argument."""

_COMPUTE = "diagonal einsum pixel_shuffle pixel_unshuffle sum_to_size unfold"
MAY_BE_EMPTY = (VIEWS - frozenset(_COMPUTE.split())) | frozenset(
    "add.Tensor cat clone column_stack copy div.Tensor dstack fill.Scalar fill.Tensor flip hstack "
    "mul.Tensor neg slice_scatter stack sub.Tensor vstack zero".split()
)
"""Operators that may be given empty tensors: parts of size 0 are joined, read of, and written into.

Their kernels have nothing to do then. Others may not: a sum, say, would make numbers of nothing.
"""

_DROPPED = """
_assert_async _assert_async.msg _assert_scalar _assert_tensor_metadata sym_constrain_range
sym_constrain_range_for_size
"""
DROPPED = frozenset(_DROPPED.split())
"""Assertions of the exporter; they compute nothing, so readers of programs leave them out."""

OF_SIZES = frozenset(
    "fill.Scalar full_like new_full new_ones new_zeros ones_like zero zeros_like".split()
)
"""Operators that read of a tensor only its sizes."""

PLACEMENT = frozenset({"device", "layout", "memory_format", "pin_memory", "non_blocking"})
"""Arguments for the device and layout of a tensor; a network runs on the device of its inputs."""

INLINED: Mapping[str, int] = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
"""Higher-order operators that only switch gradients or autocast, with their number of options.

Readers of programs put the calls in their place, if they switch autocast off.
"""

_SAME = """
__and__.Scalar:bitwise_and.Scalar __and__.Tensor:bitwise_and.Tensor
__iand__.Tensor:bitwise_and_.Tensor __ior__.Tensor:bitwise_or_.Tensor
__or__.Scalar:bitwise_or.Scalar __or__.Tensor:bitwise_or.Tensor __xor__.Tensor:bitwise_xor.Tensor
_conj:alias absolute:abs adjoint:mT arccos:acos arccosh:acosh arcsin:asin arcsinh:asinh arctan:atan
arctan2:atan2 arctanh:atanh broadcast_to:expand clip:clamp clip.Tensor:clamp.Tensor concat:cat
concatenate:cat conj:alias conj_physical:alias detach_:detach divide.Scalar:div.Scalar
divide.Tensor:div.Tensor divide.Tensor_mode:div.Tensor_mode empty.memory_format:zeros
empty_like:zeros_like fix:trunc ger:outer greater.Scalar:gt.Scalar greater.Tensor:gt.Tensor
greater_equal.Scalar:ge.Scalar greater_equal.Tensor:ge.Tensor less.Scalar:lt.Scalar
less.Tensor:lt.Tensor less_equal.Scalar:le.Scalar less_equal.Tensor:le.Tensor lift_fresh:alias
linalg_matmul:matmul mH:mT matrix_H:mT max.other:maximum min.other:minimum moveaxis.int:movedim.int
moveaxis.intlist:movedim.intlist multiply.Scalar:mul.Scalar multiply.Tensor:mul.Tensor
native_channel_shuffle:channel_shuffle negative:neg new_empty:new_zeros not_equal.Scalar:ne.Scalar
not_equal.Tensor:ne.Tensor positive:alias ravel:flatten.using_ints real:alias resolve_conj:alias
resolve_neg:alias row_stack:vstack sgn:sign special_erf:erf special_erfc:erfc
special_exp2:exp2 special_expit:sigmoid special_expm1:expm1 special_gammaln:lgamma
special_log1p:log1p special_log_softmax:log_softmax.int special_logit:logit
special_logsumexp:logsumexp special_sinc:sinc special_softmax:softmax.int
special_xlogy:xlogy.Tensor subtract.Scalar:sub.Scalar subtract.Tensor:sub.Tensor
swapaxes:transpose.int swapdims:transpose.int true_divide.Scalar:div.Scalar
true_divide.Tensor:div.Tensor
_unsafe_index.Tensor:index.Tensor unsafe_chunk:chunk unsafe_split.Tensor:split.Tensor
unsafe_split_with_sizes:split_with_sizes vdot:dot
"""
SAME: Mapping[str, str] = dict(pair.split(":") for pair in _SAME.split())
"""Other names of operators; the arguments are the same in the same order, under other names.

A network has no complex numbers, and memory that nothing wrote to reads as zeros.
"""
