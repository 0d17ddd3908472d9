"""Every operator on dual numbers: its value, its derivative, and the gradient of both.

Torch is silently wrong, or NaN, in some kernels where reverse mode meets forward mode. So every
operator of the table is held against double backward, another path through torch, and against
central differences, which need none.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from narrows.forward_mode import rules
from narrows.forward_mode.dual import Dual, constant, differentiate
from narrows.forward_mode.rules import attention, blocks
from narrows.graph import eval_mode, operator_names, operators

pytestmark = [
    # torch.func.jvp warns when it is first used.
    pytest.mark.filterwarnings("ignore:.torch.jit.script"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
]

Arguments = dict[str, Any]
Case = tuple[str, Arguments]
Place = tuple[str, int | None]  # an argument's name, and the index within where it is a list

STEP = 1e-6
GENERATOR = torch.Generator().manual_seed(0)


def unit(*shape: int) -> Tensor:
    """Return numbers between 0.1 and 0.9."""
    return torch.rand(shape, dtype=torch.double, generator=GENERATOR) * 0.8 + 0.1


def real(*shape: int) -> Tensor:
    """Return numbers between -2 and 3, away from integers, where kinks and poles are."""
    return unit(*shape) + torch.randint(-2, 3, shape, generator=GENERATOR)


def each(names: str, **arguments: Any) -> Iterator[Case]:
    """Yield the same call of several operators."""
    for name in names.split():
        yield name, arguments


X, U = real(2, 4, 3), unit(2, 4, 3)
SIGNAL, IMAGE, VOLUME = real(2, 4, 9), real(2, 4, 6, 7), real(2, 4, 5, 4, 4)
NUMBER, ROW, COLUMN, SQUARE = real(), real(3), real(4, 1), real(3, 3)
ARITHMETIC = "add.Tensor sub.Tensor mul.Tensor div.Tensor"
MASK, INDEX, LABELS = real(4, 3) > 0, torch.tensor([2, 0, 2]), torch.tensor([1, 3, 1])
AFFINE = {"weight": real(4), "bias": real(4)}
STATISTICS = {"running_mean": real(4), "running_var": unit(4)}
NO_AFFINE, NO_STATISTICS = dict.fromkeys(AFFINE), dict.fromkeys(STATISTICS)
BATCH_NORM = {"momentum": 0.1, "eps": 1e-3, "cudnn_enabled": True}
CONVOLUTION = {
    "stride": [2, 1],
    "padding": [1, 0],
    "dilation": [1, 2],
    "transposed": False,
    "output_padding": [0, 0],
    "groups": 2,
}
TRANSPOSED = {**CONVOLUTION, "transposed": True, "output_padding": [1, 0]}
HEADS = {"query": unit(2, 4, 4, 3), "key": unit(2, 4, 5, 3), "value": real(2, 4, 5, 3)}
LOGITS, SIGNS = real(3, 5), torch.tensor([1, -1, 1])
CLASSES = torch.tensor([[0, 3, -1, 0, 0], [4, -1, 0, 0, 0], [1, 2, 0, 3, -1]])
SEQUENCE = {"input": real(2, 3, 2), "num_layers": 1, "dropout": 0.0, "train": False}
RECURRENT = {"has_biases": True, "batch_first": True}


def recurrent(gates: int, directions: int) -> Arguments:
    """Return the weights of one layer of width 2 on two features."""
    sizes = [(gates * 2, 2), (gates * 2, 2), (gates * 2,), (gates * 2,)] * directions
    weights = [unit(*size) for size in sizes]
    return {"params": weights, "bidirectional": directions == 2, **RECURRENT}


PROJECTED = {
    **SEQUENCE,
    "hx": [unit(1, 3, 1), unit(1, 3, 2)],
    "params": [unit(8, 2), unit(8, 1), unit(1, 2)],
    "has_biases": False,
    "bidirectional": False,
    "batch_first": False,
}

CASES: list[Case] = [
    # functions of one number
    *each(
        "abs alias atan celu clone contiguous cos cosh elu erf exp expm1 gelu hardtanh leaky_relu "
        "lift_fresh_copy log_sigmoid mish neg reciprocal relu selu sigmoid silu sin sinh softplus "
        "square tanh",
        self=X,
    ),
    *each("hardshrink softshrink", self=X / 2),  # whose kinks are at ±0.5
    *each("acos asin log log1p log2 rsqrt sqrt tan", self=U),
    *each("hardsigmoid hardswish relu6", self=3 * X),  # whose kinks are at 0, ±3, 6
    *each("celu", self=X, alpha=0.7),
    *each("elu", self=X, alpha=0.7, scale=1.2, input_scale=0.9),
    *each("gelu", self=X, approximate="tanh"),
    *each("hardtanh", self=X, min_val=0.0, max_val=2.0),
    *each("leaky_relu", self=X, negative_slope=0.2),
    *each("softplus", self=X, beta=2.0, threshold=2.0),
    *each("hardshrink softshrink", self=X, lambd=1.0),
    *each("threshold", self=X, threshold=1.0, value=0.5),
    *each("clamp", self=X, min=-1.0, max=1.0),
    *each("clamp clamp_max", self=X, max=1.0),
    *each("clamp clamp_min", self=X, min=0.0),
    *each("clamp.Tensor", self=X, min=unit(3) - 1, max=unit(4, 1) + 1),
    *each("clamp.Tensor", self=X, max=unit(2, 4, 3)),
    *each("pow.Tensor_Scalar", self=X, exponent=3),
    *each("pow.Tensor_Scalar", self=U, exponent=0.5),
    *each("pow.Scalar", self=2.0, exponent=X),
    *each("prelu", self=IMAGE, weight=real(4)),
    *each("prelu", self=IMAGE, weight=real(1)),
    *each("_prelu_kernel", self=IMAGE, weight=real(1, 4, 1, 1)),
    *each("glu", self=IMAGE, dim=1),
    *each("cumsum", self=X, dim=1),
    *each(
        "dropout feature_dropout alpha_dropout feature_alpha_dropout", input=X, p=0.5, train=True
    ),
    *each("native_dropout", input=X, p=0.5, train=True),
    # functions of two
    *(
        case
        for a, b in [
            (X, real(2, 4, 3)),
            (X, ROW),
            (COLUMN, X),
            (COLUMN, ROW),
            (X, NUMBER),
            (NUMBER, X),
        ]
        for case in each(f"{ARITHMETIC} maximum minimum", self=a, other=b)
    ),
    *(
        case
        for a, b in [(X, 1.5), (X, INDEX + 1), (INDEX + 1, X)]
        for case in each(ARITHMETIC, self=a, other=b)
    ),
    *each("add.Tensor sub.Tensor", self=X, other=ROW, alpha=-0.7),
    *each("add.Tensor sub.Tensor", self=X, other=real(2, 4, 3), alpha=2),
    *each("mul.Tensor", self=X, other=MASK),
    *each("add.Scalar sub.Scalar rsub.Scalar", self=X, other=1.5, alpha=-0.7),
    *each("add.Scalar sub.Scalar rsub.Scalar mul.Scalar div.Scalar", self=X, other=3),
    *each("div.Tensor_mode", self=X, other=ROW, rounding_mode=None),
    *each("pow.Tensor_Tensor", self=U, exponent=X),
    *each("pow.Tensor_Tensor", self=unit(3), exponent=X),
    # products of matrices
    *each("dot", self=ROW, tensor=real(3)),
    *each("outer", self=ROW, vec2=real(4)),
    *each("mv", self=SQUARE, vec=ROW),
    *each("mm", self=SQUARE, mat2=real(3, 5)),
    *each("bmm", self=X, mat2=real(2, 3, 5)),
    *(
        ("matmul", {"self": a, "other": b})
        for a, b in [(ROW, real(3)), (X, ROW), (ROW, real(3, 2)), (X, SQUARE), (real(5, 4), X)]
    ),
    *each("matmul", self=X, other=real(5, 1, 3, 2)),
    *each("addmm", self=ROW, mat1=real(2, 4), mat2=real(4, 3), beta=0.7, alpha=-1.5),
    *each("addmm", self=real(2, 3), mat1=real(2, 4), mat2=real(4, 3)),
    *each("baddbmm", self=ROW, batch1=real(2, 5, 4), batch2=X, beta=0.7, alpha=-1.5),
    *each("baddbmm", self=real(2, 5, 3), batch1=real(2, 5, 4), batch2=X),
    *each("einsum", equation="bij,jk->bik", tensors=[X, SQUARE]),
    *each("einsum", equation="bii->b", tensors=[real(2, 3, 3)]),
    *each("linear", input=X, weight=real(5, 3)),
    *each("linear", input=X, weight=real(5, 3), bias=real(5)),
    *each("linear", input=ROW, weight=real(5, 3), bias=real(5)),
    *each("linear", input=real(2, 3), weight=real(5, 3), bias=real(5)),
    # convolutions
    *each("conv1d conv1d.padding", input=SIGNAL, weight=real(3, 4, 3), bias=real(3)),
    *each("conv2d conv2d.padding", input=IMAGE, weight=real(3, 4, 3, 2), bias=real(3)),
    *each("conv3d conv3d.padding", input=VOLUME, weight=real(3, 4, 2, 3, 1), bias=real(3)),
    *each("conv1d", input=SIGNAL, weight=real(4, 2, 3), stride=[2], padding=[1], groups=2),
    *each(
        "conv2d", input=IMAGE, weight=real(4, 2, 2, 3), padding=[1, 2], dilation=[2, 1], groups=2
    ),
    *each("conv2d", input=IMAGE, weight=real(4, 1, 3, 3), bias=real(4), stride=[2, 1], groups=4),
    *each("conv2d", input=IMAGE[0], weight=real(3, 4, 2, 2), bias=real(3)),
    *each("conv3d", input=VOLUME, weight=real(3, 4, 2, 2, 2), stride=[2, 1, 1], padding=[1, 0, 1]),
    *each("conv1d.padding", input=SIGNAL, weight=real(3, 4, 4), padding="same", dilation=[2]),
    *each("conv2d.padding", input=IMAGE, weight=real(4, 2, 3, 2), padding="same", groups=2),
    *each("conv3d.padding", input=VOLUME, weight=real(2, 4, 3, 2, 2), padding="same"),
    *each("convolution", input=IMAGE, weight=real(6, 2, 3, 2), bias=real(6), **CONVOLUTION),
    *each("convolution", input=IMAGE, weight=real(4, 3, 3, 2), bias=real(6), **TRANSPOSED),
    *each("convolution", input=IMAGE, weight=real(4, 3, 3, 2), bias=None, **TRANSPOSED),
    *each("conv_transpose1d", input=SIGNAL, weight=real(4, 3, 3), bias=real(3)),
    *each("conv_transpose1d", input=SIGNAL, weight=real(4, 3, 3), stride=[2], output_padding=[1]),
    *each("conv_transpose2d.input", input=IMAGE, weight=real(4, 2, 3, 2), bias=real(4), groups=2),
    *each(
        "conv_transpose2d.input",
        input=IMAGE,
        weight=real(4, 3, 2, 3),
        stride=[2, 3],
        padding=[1, 0],
        dilation=[2, 1],
    ),
    *each("conv_transpose3d.input", input=VOLUME, weight=real(4, 2, 2, 2, 1), bias=real(2)),
    *each("conv_transpose3d.input", input=VOLUME, weight=real(4, 2, 2, 2, 2), stride=[2, 1, 1]),
    # pools and resizes
    *(
        case
        for rank, image in enumerate([SIGNAL, IMAGE, VOLUME], 1)
        for case in [
            *each(f"avg_pool{rank}d max_pool{rank}d", self=image, kernel_size=[2] * rank),
            *each(f"avg_pool{rank}d max_pool{rank}d", self=image[0], kernel_size=[2] * rank),
            *each(
                f"avg_pool{rank}d max_pool{rank}d",
                self=image,
                kernel_size=[3] * rank,
                stride=[2] * rank,
                padding=[1] * rank,
                ceil_mode=True,
            ),
            *each(
                f"max_pool{rank}d",
                self=image,
                kernel_size=[2] * rank,
                stride=[1] * rank,
                dilation=[2] * rank,
            ),
            *each(f"adaptive_avg_pool{rank}d", self=image, output_size=[1] * rank),
            *each(f"adaptive_avg_pool{rank}d", self=image, output_size=[3] * rank),
        ]
    ),
    *each("avg_pool2d", self=IMAGE, kernel_size=[3], padding=[1], count_include_pad=False),
    *each("avg_pool3d", self=VOLUME, kernel_size=[2], divisor_override=3),
    *each("max_pool2d_with_indices", self=IMAGE, kernel_size=[3, 2], padding=[1, 1]),
    *each("max_pool3d_with_indices", self=VOLUME, kernel_size=[2, 2, 2], ceil_mode=True),
    *each("_adaptive_avg_pool2d adaptive_max_pool2d", self=IMAGE, output_size=[2, 3]),
    *each("_adaptive_avg_pool3d", self=VOLUME, output_size=[2, 3, 1]),
    *each("adaptive_max_pool1d", self=SIGNAL, output_size=[4]),
    *each("upsample_nearest1d", self=SIGNAL, output_size=[14]),
    *each("upsample_nearest1d.vec", input=SIGNAL, output_size=None, scale_factors=[2.0]),
    *each("upsample_nearest2d", self=IMAGE, output_size=[9, 14], scales_h=1.5),
    *each("upsample_nearest2d.vec", input=IMAGE, output_size=None, scale_factors=[2.0, 1.5]),
    *(
        case
        for align in (False, True)
        for case in [
            *each("upsample_linear1d", self=SIGNAL, output_size=[14], align_corners=align),
            *each(
                "upsample_linear1d.vec",
                input=SIGNAL,
                output_size=[5],
                align_corners=align,
                scale_factors=None,
            ),
            *each("upsample_bilinear2d", self=IMAGE, output_size=[9, 5], align_corners=align),
            *each(
                "upsample_bilinear2d.vec",
                input=IMAGE,
                output_size=None,
                align_corners=align,
                scale_factors=[2.0, 1.5],
            ),
        ]
    ),
    *each("pixel_shuffle", self=IMAGE, upscale_factor=2),
    *each("pixel_unshuffle", self=real(2, 2, 4, 6), downscale_factor=2),
    *each("channel_shuffle", self=IMAGE, groups=2),
    *each("reflection_pad1d replication_pad1d", self=SIGNAL, padding=[2, 1]),
    *each("reflection_pad2d replication_pad2d", self=IMAGE, padding=[2, 1, 0, 3]),
    *each("constant_pad_nd", self=IMAGE, pad=[1, 2, -1, 0], value=0.7),
    *each("pad", self=IMAGE, pad=[1, 2, 0, 1]),
    *each("pad", self=IMAGE, pad=[1, 2, 0, 1], value=0.7),
    *(("pad", {"self": IMAGE, "pad": [1, 2, 0, 1], "mode": m}) for m in ("reflect", "replicate")),
    *each("pad", self=IMAGE, pad=[1, 2, 0, 1], mode="circular"),
    # norms
    *each("batch_norm", input=IMAGE, **AFFINE, **STATISTICS, training=False, **BATCH_NORM),
    *each("batch_norm", input=real(3, 4), **AFFINE, **STATISTICS, training=True, **BATCH_NORM),
    *each("batch_norm", input=IMAGE, **NO_AFFINE, **STATISTICS, training=False, **BATCH_NORM),
    *each("batch_norm", input=IMAGE, **AFFINE, **NO_STATISTICS, training=True, **BATCH_NORM),
    *each(
        "_native_batch_norm_legit _native_batch_norm_legit_functional",
        **{"input": IMAGE, **AFFINE, **STATISTICS, "training": False, "momentum": 0.1, "eps": 1e-3},
    ),
    *each(
        "_native_batch_norm_legit_no_training",
        **{"input": IMAGE, **AFFINE, **STATISTICS, "momentum": 0.1, "eps": 1e-3},
    ),
    *each(
        "_native_batch_norm_legit.no_stats",
        **{"input": SIGNAL, **AFFINE, "training": True, "momentum": 0.1, "eps": 1e-3},
    ),
    *(
        (
            "instance_norm",
            {"input": IMAGE, **AFFINE, **statistics, "use_input_stats": True, **BATCH_NORM},
        )
        for statistics in (STATISTICS, NO_STATISTICS)
    ),
    *each("group_norm", input=IMAGE, num_groups=2),
    *each("group_norm", input=IMAGE, num_groups=2, **AFFINE),
    *each("native_group_norm", input=IMAGE, **AFFINE, N=2, C=4, HxW=42, group=2, eps=1e-3),
    *each("layer_norm rms_norm", input=X, normalized_shape=[4, 3]),
    *each("_weight_norm _weight_norm_interface", v=X, g=real(2, 1, 1)),
    *each("_weight_norm _weight_norm_interface", v=X, g=real(1, 1, 3), dim=2),
    *each("_weight_norm", v=X, g=real(), dim=-1),
    *each("layer_norm rms_norm", input=X, normalized_shape=[3], weight=real(3)),
    *each("layer_norm", input=X, normalized_shape=[3], weight=real(3), bias=real(3)),
    *each(
        "native_layer_norm", input=X, normalized_shape=[3], weight=real(3), bias=real(3), eps=1e-3
    ),
    *(
        ("linalg_vector_norm", {"self": X, "ord": order, "dim": [1, 2], "keepdim": True})
        for order in (1, 2, 3.0, float("inf"))
    ),
    # softmax and attention
    *each("softmax.int log_softmax.int", self=X, dim=1),
    *each("_softmax _log_softmax", self=X, dim=-1, half_to_float=False),
    *each("scaled_dot_product_attention", **HEADS),
    *each("scaled_dot_product_attention", **HEADS, attn_mask=real(4, 5), scale=0.3),
    *each("scaled_dot_product_attention", **HEADS, attn_mask=torch.eye(4, 5).bool()),
    *each("scaled_dot_product_attention", **HEADS, is_causal=True),
    *each("_scaled_dot_product_flash_attention_for_cpu", **HEADS),
    # recurrent layers
    *each("lstm.input", **SEQUENCE, **recurrent(4, 1), hx=[real(1, 2, 2), real(1, 2, 2)]),
    *each("lstm.input", **PROJECTED),
    *each("gru.input", **SEQUENCE, **recurrent(3, 2), hx=real(2, 2, 2)),
    # reductions
    *each("sum mean max min prod var std linalg_vector_norm", self=X),
    *each("var std", self=X, unbiased=False),
    *each("amax amin", self=X, dim=[]),
    *each("amax amin sum.dim_IntList mean.dim var.dim std.dim logsumexp", self=X, dim=[0, -1]),
    *each(
        "amax amin sum.dim_IntList mean.dim var.dim std.dim logsumexp",
        self=X,
        dim=[1],
        keepdim=True,
    ),
    *each("sum.dim_IntList mean.dim var.dim std.dim", self=X, dim=None),
    *each("sum.dim_IntList mean.dim", self=X, dim=[], keepdim=True),
    *each("var.correction var_mean.correction std.correction", self=X),
    *each("var.correction var_mean.correction std.correction", self=X, dim=[1, 2], correction=0),
    *each(
        "var.correction var_mean.correction std.correction",
        self=X,
        dim=[0],
        correction=1,
        keepdim=True,
    ),
    *each("max.dim min.dim prod.dim_int", self=X, dim=1),
    *each("max.dim min.dim prod.dim_int", self=X, dim=-1, keepdim=True),
    # choices
    *each("masked_fill.Scalar", self=X, mask=MASK, value=0.5),
    *each("masked_fill.Tensor", self=X, mask=MASK, value=NUMBER),
    *each("where.self", condition=MASK, self=X, other=ROW),
    *each("where.self", condition=MASK, self=COLUMN, other=X),
    *each("where.self", condition=MASK, self=NUMBER, other=ROW),
    *each("where.ScalarOther", condition=MASK, self=X, other=0.5),
    *each("where.ScalarSelf", condition=MASK, self=0.5, other=X),
    *each("embedding", weight=real(4, 3), indices=torch.tensor([[0, 3], [3, 1]])),
    *each("embedding", weight=real(4, 3), indices=INDEX, padding_idx=2),
    *each("embedding", weight=real(4, 3), indices=INDEX, scale_grad_by_freq=True),
    *each("embedding", weight=real(4, 3), indices=INDEX, sparse=True),
    *each("gather", self=X, dim=1, index=torch.tensor([[[0, 3, 1], [2, 2, 0]]])),
    *each("gather", self=X, dim=1, index=torch.tensor([[[0, 3, 1], [2, 2, 0]]]), sparse_grad=True),
    *each("index.Tensor", self=X, indices=[None, INDEX]),
    *each("index.Tensor", self=X, indices=[INDEX % 2, None, INDEX]),
    *each("index.Tensor", self=X, indices=[None, MASK]),
    *each("index_select", self=X, dim=1, index=INDEX),
    # shapes
    *each("cat", tensors=[X, real(2, 1, 3), INDEX.expand(2, 1, 3)], dim=1),
    *each("cat", tensors=[real(0), X, real(2, 4, 0)], dim=-1),
    *each("stack", tensors=[X, real(2, 4, 3)], dim=-1),
    *each("chunk", self=X, chunks=2, dim=1),
    *each("split.Tensor", self=X, split_size=3, dim=1),
    *each("split_with_sizes", self=X, split_sizes=[1, 3], dim=-2),
    *each("unbind.int", self=X, dim=-1),
    *each("unbind.int", self=X),
    *each("expand", self=real(4, 1), size=[2, -1, 3]),
    *each("expand_as view_as type_as", self=X, other=X),
    *each("expand_as", self=ROW, other=X),
    *each("broadcast_tensors", tensors=[ROW, COLUMN, X]),
    *each("flatten.using_ints", self=X, start_dim=1),
    *each("flatten.using_ints", self=X),
    *each("flip", self=X, dims=[0, -1]),
    *each("movedim.int", self=X, source=0, destination=-1),
    *each("movedim.intlist", self=X, source=[0, 1], destination=[-1, 0]),
    *each("narrow", self=X, dim=1, start=1, length=2),
    *each("permute", self=X, dims=[2, 0, -2]),
    *each("repeat", self=X, repeats=[2, 1, 2, 1]),
    *each("repeat_interleave.self_int", self=X, repeats=2, dim=1),
    *each("repeat_interleave.self_int", self=X, repeats=2),
    *each("reshape", self=X, shape=[4, -1]),
    *each("view _unsafe_view", self=X, size=[4, -1]),
    *each("asinh deg2rad exp2 nan_to_num rad2deg sinc erfc frac lgamma digamma rrelu", self=X),
    *each("acosh", self=1 + U),
    *each("atanh erfinv log10 logit", self=U),
    *each("addcdiv addcmul", self=ROW, tensor1=X, tensor2=U, value=0.7),
    *each(
        "atan2 copysign.Tensor fmax fmin hypot ldexp.Tensor logaddexp logaddexp2", self=X, other=U
    ),
    *each("clamp_max.Tensor", self=X, max=U),
    *each("clamp_min.Tensor", self=X, min=U),
    *each("fmod.Tensor remainder.Tensor", self=X, other=U + 0.05),
    *each("fmod.Scalar remainder.Scalar", self=X, other=0.73),
    *each("lerp.Scalar", self=X, end=ROW, weight=0.3),
    *each("lerp.Tensor", self=X, end=ROW, weight=U),
    *each("xlogy.Tensor", self=X, other=U),
    *each("aminmax", self=X, dim=1),
    *each("kthvalue", self=X, k=2, dim=1, keepdim=True),
    *each("linalg_norm", self=X),
    *each("linalg_norm", self=X, ord=3, dim=[1]),
    *each("median nanmean nansum", self=X),
    *each("median.dim", self=X, dim=1),
    *each("nanmean nansum", self=X, dim=[0, 2]),
    *each("std_mean.correction var_mean.correction", self=X, dim=[1], correction=0),
    *each("std_mean.dim var_mean.dim", self=X, dim=[1, 2], unbiased=False, keepdim=True),
    *each("cummax cummin cumprod logcumsumexp", self=X, dim=1),
    *each("sort", self=X, dim=1, descending=True),
    *each("sort.stable", self=X, stable=True, dim=0),
    *each("topk", self=X, k=2, dim=1),
    *each("diff", self=X, dim=1),
    *each("diff", self=X, n=2, dim=1, prepend=X[:, :1] + 1),
    *each("addbmm", self=ROW, batch1=SQUARE.expand(2, 3, 3), batch2=real(2, 3, 3), alpha=0.5),
    *each("addmv", self=ROW, mat=SQUARE, vec=real(3), beta=0.5),
    *each("addr", self=SQUARE, vec1=ROW, vec2=real(3), alpha=2),
    *each("bilinear", input1=LOGITS, input2=real(3, 2), weight=real(4, 5, 2), bias=real(4)),
    *each("inner", self=X, other=SQUARE),
    *each("linalg_vecdot", x=X, y=ROW),
    *each("tensordot", self=X, other=real(3, 4), dims_self=[2], dims_other=[0]),
    *each("trace", self=SQUARE),
    *each("gru_cell", input=unit(3, 2), hx=unit(3, 2), w_ih=unit(6, 2), w_hh=unit(6, 2)),
    *each(
        "lstm_cell", input=unit(3, 2), hx=[unit(3, 2), unit(3, 2)], w_ih=unit(8, 2), w_hh=unit(8, 2)
    ),
    *each(
        "rnn_relu_cell rnn_tanh_cell",
        input=unit(3, 2),
        hx=unit(3, 2),
        w_ih=unit(2, 2),
        w_hh=unit(2, 2),
    ),
    *each("rnn_relu.input rnn_tanh.input", hx=unit(2, 2, 2), **SEQUENCE, **recurrent(1, 2)),
    *each(
        "_upsample_bicubic2d_aa.vec _upsample_bilinear2d_aa.vec upsample_bicubic2d.vec",
        input=IMAGE,
        output_size=[4, 9],
        align_corners=False,
        scale_factors=None,
    ),
    *each("_upsample_nearest_exact1d.vec", input=SIGNAL, output_size=[5], scale_factors=None),
    *each("_upsample_nearest_exact2d.vec", input=IMAGE, output_size=None, scale_factors=[2.0, 0.5]),
    *each(
        "_upsample_nearest_exact3d.vec upsample_nearest3d.vec",
        input=VOLUME,
        output_size=[7, 4, 2],
        scale_factors=None,
    ),
    *each(
        "upsample_trilinear3d.vec",
        input=VOLUME,
        output_size=[7, 4, 2],
        align_corners=True,
        scale_factors=None,
    ),
    *each("adaptive_max_pool3d", self=VOLUME, output_size=[2, 2, 2]),
    *each("max_pool1d_with_indices", self=SIGNAL, kernel_size=[2]),
    *each("affine_grid_generator", theta=real(2, 2, 3), size=[2, 4, 3, 3], align_corners=False),
    *each("im2col", self=IMAGE, kernel_size=[2, 3], dilation=[1, 2], padding=[1, 0], stride=[2, 1]),
    *each(
        "col2im",
        self=real(2, 8, 4),
        output_size=[4, 4],
        kernel_size=[2, 2],
        dilation=[1, 1],
        padding=[0, 0],
        stride=[2, 2],
    ),
    *(
        (
            "grid_sampler",
            {
                "input": IMAGE,
                "grid": unit(2, 3, 2, 2) * 2 - 1,
                "interpolation_mode": mode,
                "padding_mode": padding,
                "align_corners": bool(padding),
            },
        )
        for mode in (0, 1)
        for padding in (0, 1)
    ),
    *each("index_add", self=X, dim=1, index=INDEX, source=real(2, 3, 3), alpha=0.5),
    *each("index_copy", self=X, dim=1, index=torch.tensor([2, 0, 1]), source=real(2, 3, 3)),
    *each("index_fill.int_Scalar", self=X, dim=1, index=INDEX, value=0.5),
    *each("index_fill.int_Tensor", self=X, dim=1, index=INDEX, value=NUMBER),
    *each("masked_scatter", self=X, mask=X > 0, source=real(2, 4, 3)),
    *each(
        "scatter.src scatter_add",
        self=X,
        dim=1,
        index=torch.tensor([[[2, 0, 1]], [[0, 3, 2]]]),
        src=real(2, 1, 3),
    ),
    *each("scatter.value", self=X, dim=1, index=torch.tensor([[[2, 0, 1]]]), value=0.5),
    *each(
        "scatter_reduce.two",
        self=X,
        dim=1,
        index=torch.tensor([[[2, 0, 1]], [[0, 3, 2]]]),
        src=real(2, 1, 3),
        reduce="sum",
    ),
    *each("take", self=X, index=INDEX),
    *each("take_along_dim", self=X, indices=torch.tensor([[[2, 0, 1]]]), dim=1),
    *each("hstack vstack dstack column_stack", tensors=[X, real(2, 4, 3)]),
    *each("diag_embed", self=X, offset=1),
    *each("diagonal", self=X, offset=-1, dim1=1, dim2=2),
    *each("diagonal_scatter", self=X, src=real(2, 3), dim1=1, dim2=2),
    *each("meshgrid.indexing", tensors=[ROW, real(2)], indexing="xy"),
    *each("rot90", self=X, k=3, dims=[1, 2]),
    *each("sum_to_size", self=X, size=[1, 3]),
    *each("tensor_split.indices", self=X, indices=[1, 3], dim=1),
    *each("tensor_split.sections", self=X, sections=3, dim=1),
    *each("tile", self=X, dims=[2, 1]),
    *each("unfold", self=X, dimension=1, size=2, step=1),
    *each("roll", self=X, shifts=[1]),
    *each("copy", self=X, src=ROW),
    *each("fill.Tensor", self=X, value=NUMBER),
    *each("index_put", self=X, indices=[None, torch.tensor([2, 0, 1])], values=ROW),
    *each("index_put", self=X, indices=[INDEX % 2, INDEX], values=NUMBER, accumulate=True),
    *each("index_put", self=X, indices=[X[..., 0] > 0], values=NUMBER),
    *each("reshape_as", self=X, other=real(4, 6)),
    *each("select_scatter", self=X, src=real(2, 3), dim=1, index=-2),
    *each("slice_scatter", self=X, src=real(2, 2, 3), dim=1, start=-3, end=3),
    *each("slice_scatter", self=X, src=real(2, 2, 3), dim=1, start=1, end=9, step=2),
    *each("roll", self=X, shifts=[1, -1], dims=[0, 2]),
    *each("select.int", self=X, dim=-1, index=-1),
    *each("slice.Tensor", self=X, dim=1, start=-3, end=9, step=2),
    *each("squeeze", self=real(1, 3, 1)),
    *each("squeeze.dim", self=real(1, 3, 1), dim=-1),
    *each("squeeze.dims", self=real(1, 3, 1), dim=[0, 1]),
    *each("t", self=SQUARE),
    *each("t", self=ROW),
    *each("mT numpy_T", self=X),
    *each("transpose.int", self=X, dim0=0, dim1=-1),
    *each("tril triu", self=X, diagonal=1),
    *each("unflatten.int", self=X, dim=1, sizes=[2, -1]),
    *each("unsqueeze", self=X, dim=0),
    *each("to.device", self=X, device="cpu", dtype=torch.double),
    *each("to.dtype", self=X, dtype=torch.double),
    *each("to.dtype_layout _to_copy", self=X, dtype=torch.double),
    # losses
    *(
        case
        for reduction in (0, 1, 2)
        for case in [
            *each("l1_loss mse_loss", self=LOGITS, target=real(3, 5), reduction=reduction),
            *each("smooth_l1_loss", self=LOGITS, target=real(3, 5), reduction=reduction, beta=0.7),
            *each("huber_loss", self=LOGITS, target=real(3, 5), reduction=reduction, delta=0.7),
            *each("binary_cross_entropy", self=unit(3, 5), target=unit(3, 5), reduction=reduction),
            *each(
                "binary_cross_entropy_with_logits",
                self=LOGITS,
                target=unit(3, 5),
                reduction=reduction,
            ),
            *each(
                "cross_entropy_loss nll_loss_nd", self=LOGITS, target=LABELS, reduction=reduction
            ),
            *each(
                "nll_loss_forward",
                self=LOGITS,
                target=LABELS,
                weight=None,
                reduction=reduction,
                ignore_index=3,
            ),
            *each(
                "nll_loss2d_forward",
                self=IMAGE,
                target=torch.arange(84).view(2, 6, 7) % 4,
                weight=None,
                reduction=reduction,
                ignore_index=-100,
            ),
            *each("kl_div", self=LOGITS, target=unit(3, 5), reduction=reduction),
            *each("kl_div", self=LOGITS, target=real(3, 5), reduction=reduction, log_target=True),
            *each("soft_margin_loss", self=LOGITS, target=real(3, 5), reduction=reduction),
            *each("hinge_embedding_loss", self=LOGITS, target=SIGNS[:, None], reduction=reduction),
            *each("multi_margin_loss", self=LOGITS, target=LABELS, reduction=reduction),
            *each("multilabel_margin_loss", self=LOGITS, target=CLASSES, reduction=reduction),
            *each(
                "poisson_nll_loss",
                input=LOGITS,
                target=unit(3, 5),
                log_input=True,
                full=True,
                eps=1e-8,
                reduction=reduction,
            ),
            *each(
                "cosine_embedding_loss",
                input1=LOGITS,
                input2=real(3, 5),
                target=SIGNS,
                margin=0.05,
                reduction=reduction,
            ),
            *each(
                "margin_ranking_loss",
                input1=LOGITS,
                input2=real(3, 5),
                target=SIGNS[:, None],
                margin=0.05,
                reduction=reduction,
            ),
            *each(
                "triplet_margin_loss",
                anchor=LOGITS,
                positive=real(3, 5),
                negative=real(3, 5),
                margin=2.05,
                reduction=reduction,
            ),
        ]
    ),
    *each("multi_margin_loss", self=LOGITS, target=LABELS, p=2, margin=0.8, weight=unit(5)),
    *each("pairwise_distance cosine_similarity", x1=LOGITS, x2=real(3, 5)),
    *each("binary_cross_entropy", self=unit(3, 5), target=unit(3, 5), weight=unit(5)),
    *each("binary_cross_entropy_with_logits", self=LOGITS, target=unit(3, 5), weight=unit(5)),
    *each("binary_cross_entropy_with_logits", self=LOGITS, target=unit(3, 5), pos_weight=unit(5)),
    *each("cross_entropy_loss", self=LOGITS, target=unit(3, 5), label_smoothing=0.2),
    *each("cross_entropy_loss", self=LOGITS, target=LABELS, ignore_index=3, label_smoothing=0.1),
    *each("cross_entropy_loss", self=LOGITS, target=unit(3, 5), weight=unit(5)),
]

# One dead sample must not make every derivative NaN: what torch's double backward says at zero.
DEAD = X.masked_fill(torch.tensor([1, 0, 0, 1]).bool()[:, None], 0.0)
AT_ZERO: list[Case] = [
    *each("prod square", self=DEAD),
    *each("pow.Tensor_Scalar", self=DEAD, exponent=2),
    *each("prod.dim_int", self=DEAD, dim=1),
    *each("linalg_vector_norm std.correction var.correction amax", self=DEAD, dim=[2]),
    *each("std.dim", self=DEAD, dim=[2], keepdim=True),
    *each("std", self=torch.zeros(3, dtype=torch.double)),
    *each("linalg_vector_norm", self=DEAD, dim=[2], ord=3),
    *each("layer_norm rms_norm", input=DEAD, normalized_shape=[3]),
    *each("group_norm", input=torch.zeros(2, 4, 5, dtype=torch.double), num_groups=2),
]

# Operators whose result does not vary, whatever their arguments do.
PLAIN: list[Case] = [
    *each(
        "any argmax argmin ceil detach floor isnan round sign logical_not zeros_like ones_like",
        self=X,
    ),
    *each("any.dim argmax argmin", self=X, dim=1, keepdim=True),
    *(
        ("div.Tensor_mode", {"self": X, "other": ROW, "rounding_mode": m})
        for m in ("floor", "trunc")
    ),
    *each("eq.Scalar ge.Scalar gt.Scalar le.Scalar lt.Scalar ne.Scalar", self=X, other=1),
    *each("eq.Tensor ge.Tensor gt.Tensor le.Tensor lt.Tensor ne.Tensor", self=X, other=ROW),
    *each("logical_and logical_or", self=X, other=ROW),
    *each("bitwise_and.Tensor bitwise_or.Tensor", self=MASK, other=MASK[0]),
    *each("bitwise_not", self=MASK),
    *each("where.Scalar", condition=MASK, self=0.5, other=1.5),
    *each("to.dtype to.dtype_layout _to_copy", self=X, dtype=torch.long),
    *each("all argsort count_nonzero isfinite isinf isneginf isposinf signbit trunc", self=X),
    *each("count_nonzero.dim_IntList all.dims any.dims", self=X, dim=[1]),
    *each("all.dim", self=X, dim=1),
    *each("argsort.stable", self=X, stable=True),
    *each("round.decimals", self=X, decimals=1),
    *each("heaviside", self=X, values=U),
    *each("floor_divide", self=X, other=U + 0.05),
    *each("floor_divide remainder.Scalar fmod.Scalar", self=LABELS, other=2),
    *each("isclose logical_xor", self=X, other=ROW),
    *each("bitwise_and.Scalar bitwise_or.Scalar", self=LABELS, other=1),
    *each("bitwise_xor.Tensor", self=LABELS, other=LABELS.flip(0)),
    *each("bucketize.Tensor", self=X, boundaries=ROW.sort()[0]),
    *each("searchsorted.Tensor", sorted_sequence=ROW.sort()[0], self=X, right=True),
    *each("isin.Tensor_Tensor", elements=X, test_elements=X[0]),
    *each("one_hot", self=LABELS, num_classes=5),
    *each("eye", n=3),
    *each("eye.m", n=3, m=2),
    *each("hann_window", window_length=4),
    *each("linspace logspace", start=0, end=1, steps=4),
    *each("tril_indices triu_indices", row=3, col=4, offset=1),
    *each("full_like", self=X, fill_value=0.5),
    *each("fill.Scalar", self=X, value=0.5),
    *each("zero", self=X),
    *each("new_full", self=X, size=[2], fill_value=0.5),
    *each("new_ones new_zeros", self=X, size=[2]),
    *each("full", size=[2], fill_value=0.5),
    *each("ones zeros", size=[2]),
    *each("scalar_tensor", s=0.5),
    *each("arange", end=3),
    *each("arange.start", start=1, end=3),
    *each("arange.start_step", start=1, end=3, step=2),
]

# What torch refuses to vary, which is better than a wrong derivative: the weights of classes.
REFUSED: list[Case] = [
    *each("cross_entropy_loss nll_loss_nd", self=LOGITS, target=LABELS, weight=unit(5)),
    *each(
        "nll_loss_forward",
        self=LOGITS,
        target=LABELS,
        weight=unit(5),
        reduction=1,
        ignore_index=3,
    ),
]


def parametrized(cases: Iterable[Case]) -> pytest.MarkDecorator:
    present = [case for case in cases if case[0] in operators.OPERATORS]  # older torch lacks some
    return pytest.mark.parametrize(("op", "arguments"), present, ids=[op for op, _ in present])


def floating(arguments: Arguments) -> list[Place]:
    """Return the places of the tensors that can vary."""
    return [
        (name, index)
        for name, argument in arguments.items()
        for index, item in (
            enumerate(argument) if isinstance(argument, list) else [(None, argument)]
        )
        if is_floating(item)
    ]


def is_floating(item: Any) -> bool:
    return isinstance(item, Dual) or (isinstance(item, Tensor) and item.is_floating_point())


def read(arguments: Arguments, place: Place) -> Tensor:
    name, index = place
    item: Tensor = arguments[name] if index is None else arguments[name][index]
    return item


def replaced(arguments: Arguments, items: dict[Place, Any]) -> Arguments:
    result = {name: list(a) if isinstance(a, list) else a for name, a in arguments.items()}
    for (name, index), item in items.items():
        if index is None:
            result[name] = item
        else:
            result[name][index] = item
    return result


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


def noise(like: Sequence[Tensor], seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(t.shape, dtype=torch.double, generator=generator) for t in like]


def dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.cat([(x * y).flatten() for x, y in zip(a, b, strict=True)]).sum()


def gradient(of: Tensor, along: Sequence[Tensor], **options: Any) -> Sequence[Tensor]:
    """Return the gradient, zero where nothing connects the two."""
    return torch.autograd.grad(of + 0 * dot(along, along), along, **options)


class Run:
    """One operator as a function of the arguments at some places, plain and on dual numbers."""

    def __init__(self, op: str, arguments: Arguments, places: Sequence[Place]) -> None:
        self.op, self.arguments, self.places = op, arguments, places

    def plain(self, values: Sequence[Tensor]) -> list[Tensor]:
        items = dict(zip(self.places, values, strict=True))
        results = outputs(operators.run(self.op, replaced(self.arguments, items)))
        return [result for result in results if is_floating(result)]

    def dual(
        self, values: Sequence[Tensor], tangents: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        items = dict(zip(self.places, map(Dual.of, values, tangents), strict=True))
        results = outputs(rules.run(self.op, replaced(self.arguments, items)))
        duals = [
            result if isinstance(result, Dual) else constant(result)
            for result in results
            if is_floating(result)
        ]
        return [dual.value for dual in duals], [dual.tangent for dual in duals]

    def double_backward(
        self,
        values: Sequence[Tensor],
        tangents: Sequence[Tensor],
        a: Sequence[Tensor],
        b: Sequence[Tensor],
    ) -> list[Tensor] | None:
        """Return the gradient of a·value + b·tangent, None where torch lacks a derivative."""
        try:
            results = self.plain(values)
        except RuntimeError as error:
            assert "is not differentiable" in str(error)  # noqa: PT017
            return None
        of_tangents = gradient(dot(b, results), values, create_graph=True)
        slope = dot(a, results) + dot(of_tangents, tangents)
        return [*gradient(slope, values, retain_graph=True), *of_tangents]


def test_every_operator_is_here() -> None:
    assert {op for op, _ in (*CASES, *PLAIN)} == set(operator_names.NAMES.split())


@parametrized(CASES)
def test_dual_numbers(op: str, arguments: Arguments) -> None:
    places = floating(arguments)
    check_what_is_no_number(op, arguments, places)
    for count in {1, 2, len(places)}:
        for varying in combinations(places, count):
            verify(op, arguments, varying)


def check_what_is_no_number(op: str, arguments: Arguments, places: Sequence[Place]) -> None:
    duals = {place: constant(read(arguments, place)) for place in places}
    ours = outputs(rules.run(op, replaced(arguments, duals)))
    for our, plain in zip(ours, outputs(operators.run(op, arguments)), strict=True):
        if not is_floating(plain):
            assert our is plain is None or torch.equal(our, plain)


def verify(op: str, arguments: Arguments, places: Sequence[Place]) -> None:
    run = Run(op, arguments, places)
    values = [read(arguments, place).clone().requires_grad_() for place in places]
    tangents = [tangent.requires_grad_() for tangent in noise(values, 1)]
    leaves, direction = [*values, *tangents], noise([*values, *tangents], 2)

    def moved(step: float, along: Sequence[Tensor]) -> list[Tensor]:
        return [leaf.detach() + step * d for leaf, d in zip(leaves, along, strict=False)]

    value, tangent = run.dual(values, tangents)
    with torch.no_grad():
        torch.testing.assert_close(value, run.plain(values), rtol=1e-12, atol=1e-12)
        ahead, behind = (run.plain(moved(step, tangents)) for step in (STEP, -STEP))
    slopes = [(x - y) / (2 * STEP) for x, y in zip(ahead, behind, strict=True)]
    torch.testing.assert_close(tangent, slopes, rtol=1e-6, atol=1e-6)

    a, b = noise(value, 3), noise(tangent, 4)

    def functional(leaves: Sequence[Tensor]) -> Tensor:
        value, tangent = run.dual(leaves[: len(values)], leaves[len(values) :])
        return dot(a, value) + dot(b, tangent)

    ours = gradient(dot(a, value) + dot(b, tangent), leaves)
    difference = functional(moved(STEP, direction)) - functional(moved(-STEP, direction))
    torch.testing.assert_close(dot(ours, direction), difference / (2 * STEP), rtol=1e-6, atol=1e-6)
    if (theirs := run.double_backward(values, tangents, a, b)) is not None:
        torch.testing.assert_close(list(ours), theirs, rtol=1e-10, atol=1e-10)


MANY_BLOCKS = [
    *each("gelu silu tanh", self=X),
    *each("layer_norm", input=X, normalized_shape=[3], weight=real(3), bias=real(3)),
    *each("group_norm", input=IMAGE, num_groups=2),
    *each("scaled_dot_product_attention", **HEADS, attn_mask=torch.eye(4, 5).bool()),
    *each("scaled_dot_product_attention", **HEADS, is_causal=True),
]


@parametrized(MANY_BLOCKS)
def test_work_in_blocks(op: str, arguments: Arguments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 5)
    monkeypatch.setattr(attention, "SCORES", 30)
    verify(op, arguments, floating(arguments))


# torch's kernels have no derivative along the running statistics, or a wrong one
WITHOUT_GENERIC = {"batch_norm", "_native_batch_norm_legit_no_training"}


@parametrized(case for case in CASES if case[0] in rules.RULES and case[0] not in WITHOUT_GENERIC)
def test_rules_agree_with_torchs_forward_mode(op: str, arguments: Arguments) -> None:
    places = floating(arguments)
    values = [read(arguments, place).clone().requires_grad_() for place in places]
    tangents = [tangent.requires_grad_() for tangent in noise(values, 1)]
    duals = dict(zip(places, map(Dual.of, values, tangents), strict=True))
    results = []
    for run in (rules.run, differentiate):
        found = outputs(run(op, replaced(arguments, duals)))
        both = [dual.both for dual in found if isinstance(dual, Dual)]
        along = gradient(dot(both, noise(both, 5)), [*values, *tangents])
        results.append([*both, *along])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-10)


@parametrized(AT_ZERO)
def test_derivatives_at_zero(op: str, arguments: Arguments) -> None:
    (place,) = floating(arguments)
    run, values = Run(op, arguments, [place]), [read(arguments, place).clone().requires_grad_()]
    tangents = [tangent.requires_grad_() for tangent in noise(values, 1)]
    value, tangent = run.dual(values, tangents)
    a, b = noise(value, 3), noise(tangent, 4)
    ours = gradient(dot(a, value) + dot(b, tangent), [*values, *tangents])
    assert all(part.isfinite().all() for part in ours)
    theirs = run.double_backward(values, tangents, a, b)
    torch.testing.assert_close(list(ours), theirs)


@parametrized(PLAIN)
def test_what_does_not_vary(op: str, arguments: Arguments) -> None:
    duals = {
        place: Dual.of(value := read(arguments, place), torch.ones_like(value))
        for place in floating(arguments)
    }
    result = rules.run(op, replaced(arguments, duals))
    if isinstance(result, Dual):
        assert not result.tangent.any()
        result = result.value
    assert torch.equal(result, operators.run(op, arguments))


@parametrized(REFUSED)
def test_weights_of_classes_must_not_vary(op: str, arguments: Arguments) -> None:
    varying = constant(arguments["weight"].clone().requires_grad_())
    with pytest.raises(RuntimeError, match="not differentiable"):
        rules.run(op, {**arguments, "weight": varying})


IN_TRAINING = {"train", "training", "use_input_stats"}


@parametrized(
    (op, arguments)
    for op, arguments in (*CASES, *AT_ZERO)
    if op in eval_mode.REWRITES and not any(arguments.get(name) for name in IN_TRAINING)
)
def test_rewrites_compute_what_torch_does(op: str, arguments: Arguments) -> None:
    ours, theirs = outputs(operators.run(op, arguments)), operators.OPERATORS[op](**arguments)
    for our, their in zip(ours, outputs(theirs), strict=True):
        if our is not None:
            torch.testing.assert_close(our, their)
