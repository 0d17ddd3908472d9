"""Linear and affine operators: one call for value and tangent."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from narrows.forward_mode.dual import (
    Arguments,
    Dual,
    differentiate,
    map_linearly,
    substitute,
    varying,
)
from narrows.forward_mode.layer_product import Product, layer_product
from narrows.forward_mode.rules.registry import for_value, rule
from narrows.graph import operators
from narrows.graph.layer_ops import along_channels
from narrows.graph.normalization import batch_norm_map

# --- operators whose result does not vary ---------------------------------------------------------


@rule(*operators.SYMBOLIC)
@rule(
    *"all all.dim all.dims any.dims argsort argsort.stable bucketize.Tensor count_nonzero "
    "count_nonzero.dim_IntList floor_divide heaviside isclose isfinite isin.Tensor_Tensor isinf "
    "isneginf isposinf logical_xor round.decimals searchsorted.Tensor signbit trunc "
    "argmax argmin any any.dim ceil detach floor round sign eq.Scalar eq.Tensor ne.Scalar "
    "ne.Tensor ge.Scalar ge.Tensor gt.Scalar gt.Tensor le.Scalar le.Tensor lt.Scalar lt.Tensor "
    "logical_and logical_not logical_or zeros_like ones_like full_like new_zeros new_ones "
    "new_full".split()
)
def _of_the_value_alone(op: str, arguments: Arguments) -> Any:
    return operators.run(op, substitute(arguments, lambda dual: dual.value))


# --- linear operators: one call for value and tangent ---------------------------------------------


@rule("constant_pad_nd")
def _pad(op: str, arguments: Arguments) -> Any:
    return (differentiate if arguments.get("value") else map_linearly)(op, arguments)  # 0 is linear


@rule(
    *"avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d upsample_nearest2d.vec "
    "upsample_bilinear2d.vec".split()
)
def _on_doubled_batch(op: str, arguments: Arguments) -> Any:
    """Apply an operator that keeps samples apart to a batch of twice the size."""
    name = "self" if "self" in arguments else "input"
    both = arguments[name].both
    result = operators.run(op, {**arguments, name: both.flatten(0, 1)})
    return Dual(result.view(*both.shape[:2], *result.shape[1:]))


@rule("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "linear", "convolution")
@rule("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input")
def _affine(op: str, arguments: Arguments) -> Any:
    if varying(arguments) != {"input"}:
        return differentiate(op, arguments)
    if len(arguments["input"].shape) < arguments["weight"].dim():  # one sample, no batch
        return differentiate(op, arguments)
    bias = arguments.get("bias")
    if (product := layer_product(op, arguments)) is None:
        result = _on_doubled_batch(op, {**arguments, "bias": None})
    else:
        multiply: Callable[..., Tensor] = Product.apply
        result = Dual(multiply(arguments["input"].both, product))
    if bias is None:
        return result
    return Dual(result.both + for_value(along_channels(op, bias, len(result.shape))))


@rule("_native_batch_norm_legit_no_training")
def _core_batch_norm(_: str, arguments: Arguments) -> Any:
    return [_batch_norm("batch_norm", arguments), None, None]


@rule("batch_norm")
def _batch_norm(op: str, arguments: Arguments) -> Any:
    if arguments["running_mean"] is None or varying(arguments) != {"input"}:
        # not the kernel of `batch_norm`, which has no derivative along the statistics
        return differentiate("_native_batch_norm_legit", arguments)[0]
    scale, shift = batch_norm_map(arguments)
    both = arguments["input"].both
    rank = both.dim() - 1
    scale, shift = (along_channels(op, vector, rank) for vector in (scale, shift))
    return Dual((both * scale).add_(for_value(shift)))
