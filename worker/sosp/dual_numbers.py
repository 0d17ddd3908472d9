"""Dual numbers: every value of the network together with its derivative along one direction.

Value and tangent travel as one tensor `both` of shape [2, batch, …], so that a linear operator,
which treats the two alike, is one native call on a doubled batch. Everything else follows the
product rule or, for operators that are rare in hot places, `torch.func.jvp` (METHOD §2).
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from worker.sosp import operators

Arguments = dict[str, Any]
Rule = Callable[[str, Arguments], Any]


class Dual:
    """A value and its tangent; `both[0]` is the value, `both[1]` its derivative."""

    __slots__ = ("both",)

    def __init__(self, both: Tensor) -> None:
        self.both = both

    @classmethod
    def of(cls, value: Tensor, tangent: Tensor) -> "Dual":
        return cls(torch.stack([value, tangent]))

    @property
    def value(self) -> Tensor:
        return self.both[0]

    @property
    def tangent(self) -> Tensor:
        return self.both[1]


RULES: dict[str, Rule] = {}


def rule(*ops: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of these operators."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, function))
        return function

    return register


def run(op: str, arguments: Arguments) -> Any:
    """Run one operator, any of whose arguments may be dual; its result is dual if it varies.

    >>> x = Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))
    >>> y = run("mul.Tensor", {"self": x, "other": x})
    >>> y.value, y.tangent
    (tensor([9.]), tensor([6.]))
    """
    if not _varying(arguments):
        return operators.run(op, arguments)
    return RULES.get(op, differentiate)(op, arguments)


def _varying(arguments: Arguments) -> set[str]:
    """Return the names of the arguments that are, or hold, dual numbers."""

    def varies(argument: Any) -> bool:
        if isinstance(argument, list):
            return any(map(varies, argument))
        return isinstance(argument, Dual)

    return {name for name, argument in arguments.items() if varies(argument)}


def _substitute(arguments: Arguments, replace: Callable[[Dual], Any]) -> Arguments:
    """Return the arguments with `replace(dual)` in place of every dual number."""

    def visit(argument: Any) -> Any:
        if isinstance(argument, list):
            return [visit(item) for item in argument]
        return replace(argument) if isinstance(argument, Dual) else argument

    return {name: visit(argument) for name, argument in arguments.items()}


def differentiate(op: str, arguments: Arguments) -> Any:
    """Run any operator by torch's own forward mode: right for all, the fastest for none."""
    duals: list[Dual] = []
    missing: list[int] = []
    _substitute(arguments, duals.append)

    def call(*values: Tensor) -> Any:
        remaining = iter(values)
        results = operators.run(op, _substitute(arguments, lambda _: next(remaining)))
        if isinstance(results, Tensor):
            return results
        missing.extend(place for place, result in enumerate(results) if result is None)
        return [result for result in results if result is not None]

    values = tuple(dual.value for dual in duals)
    derived: Any = torch.func.jvp(call, values, tuple(dual.tangent for dual in duals))
    results, tangents = derived
    if isinstance(results, Tensor):
        return _pair(results, tangents)
    pairs: list[Any] = [_pair(*pair) for pair in zip(results, tangents, strict=True)]
    for place in missing:
        pairs.insert(place, None)
    return pairs


def _pair(value: Tensor, tangent: Tensor) -> Dual | Tensor:
    if not value.is_floating_point():
        return value
    return Dual.of(value, tangent.to(value.dtype))  # torch may widen a tangent of no dimensions


# --- operators whose result does not vary ---------------------------------------------------------


@rule(*operators.SYMBOLIC)
@rule(
    *"argmax argmin any any.dim ceil detach floor round sign eq.Scalar eq.Tensor ne.Scalar "
    "ne.Tensor ge.Scalar ge.Tensor gt.Scalar gt.Tensor le.Scalar le.Tensor lt.Scalar lt.Tensor "
    "logical_and logical_not logical_or zeros_like ones_like full_like new_zeros new_ones "
    "new_full".split()
)
def _of_the_value_alone(op: str, arguments: Arguments) -> Any:
    return operators.run(op, _substitute(arguments, lambda dual: dual.value))


# --- linear operators: one call for value and tangent ---------------------------------------------


@rule(
    *"alias chunk clone contiguous div.Scalar expand flatten.using_ints flip mean mean.dim "
    "movedim.int mul.Scalar narrow neg permute pixel_shuffle pixel_unshuffle repeat reshape roll "
    "select.int slice.Tensor split.Tensor split_with_sizes squeeze squeeze.dim squeeze.dims sum "
    "sum.dim_IntList t to.dtype _to_copy transpose.int unbind.int unflatten.int unsqueeze view "
    "_unsafe_view".split()
)
def _linear(op: str, arguments: Arguments) -> Any:
    """Map over the leading dimension, so that the operator sees the shapes it expects."""
    duals: list[Dual] = []
    _substitute(arguments, duals.append)

    def call(*parts: Tensor) -> Any:
        remaining = iter(parts)
        return operators.run(op, _substitute(arguments, lambda _: next(remaining)))

    result = torch.vmap(call)(*(dual.both for dual in duals))
    return _unpack(result) if isinstance(result, Tensor) else [_unpack(both) for both in result]


def _unpack(both: Tensor) -> Dual | Tensor:
    return Dual(both) if both.is_floating_point() else both[0]  # a cast to integers ends variation


@rule("constant_pad_nd")
def _pad(op: str, arguments: Arguments) -> Any:
    return (differentiate if arguments.get("value") else _linear)(op, arguments)  # 0 is linear


@rule("cat", "stack")
def _join(op: str, arguments: Arguments) -> Any:
    parts = [part if isinstance(part, Dual) else constant(part) for part in arguments["tensors"]]
    return _linear(op, {**arguments, "tensors": parts})


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
    return Dual(result.unflatten(0, both.shape[:2]))


@rule("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "linear")
def _affine(op: str, arguments: Arguments) -> Any:
    if _varying(arguments) != {"input"}:
        return differentiate(op, arguments)
    if arguments["input"].value.dim() < arguments["weight"].dim():  # one sample, no batch
        return differentiate(op, arguments)
    arguments, bias = {**arguments, "bias": None}, arguments.get("bias")
    if op in ("conv1d", "conv2d", "conv3d"):
        both = arguments["input"].both
        convolve: Callable[..., Any] = _Convolution.apply
        product = convolve(both.flatten(0, 1), arguments["weight"], op, arguments)
        result = Dual(product.unflatten(0, both.shape[:2]))
    else:
        result = _on_doubled_batch(op, arguments)
    if bias is None:
        return result
    return Dual(result.both + _for_value(along_channels(op, bias, result.value.dim())))


class _Convolution(torch.autograd.Function):
    """A convolution that keeps no input for its backward pass, as torch's own does.

    Only the gradient along the weight would need it, and that is never asked for.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, op: str, arguments: Arguments) -> Tensor:
        options = {k: v for k, v in arguments.items() if k not in ("input", "weight", "bias")}
        ctx.save_for_backward(weight)
        ctx.shape, ctx.options = x.shape, options
        result: Tensor = operators.run(op, {"input": x, "weight": weight, **options})
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        of_input = torch.ops.aten.convolution_backward(
            grad,
            grad.new_empty(ctx.shape),  # read for its shape alone
            weight,
            None,
            **_convolution_options(ctx.options, weight.dim() - 2),
            transposed=False,
            output_padding=[0],
            output_mask=[True, False, False],
        )[0]
        return of_input, None, None, None


def _convolution_options(options: Arguments, rank: int) -> Arguments:
    return {
        "stride": options.get("stride", [1] * rank),
        "padding": options.get("padding", [0] * rank),
        "dilation": options.get("dilation", [1] * rank),
        "groups": options.get("groups", 1),
    }


def along_channels(op: str, vector: Tensor, rank: int) -> Tensor:
    """View a vector of channels so that it broadcasts over the operator's result of that rank."""
    shape = [1] * rank
    shape[-1 if op == "linear" else 1] = len(vector)
    return vector.view(shape)


def _for_value(tensor: Tensor) -> Tensor:
    """Return what adds `tensor` to values and nothing to tangents."""
    return torch.stack([tensor, torch.zeros_like(tensor)])


@rule("batch_norm")
def _batch_norm(op: str, arguments: Arguments) -> Any:
    if arguments["running_mean"] is None or _varying(arguments) != {"input"}:
        # not the kernel of `batch_norm`, which has no derivative along the statistics
        return differentiate("_native_batch_norm_legit", arguments)[0]
    scale, shift = batch_norm_map(arguments)
    both = arguments["input"].both
    rank = both.dim() - 1
    scale, shift = (along_channels(op, vector, rank) for vector in (scale, shift))
    return Dual(both * scale + _for_value(shift))


def batch_norm_map(arguments: Arguments) -> tuple[Tensor, Tensor]:
    """Return (scale, shift), each of shape [C]: what batch norm in eval mode does to a channel."""
    mean, variance = arguments["running_mean"], arguments["running_var"]
    weight, bias = arguments.get("weight"), arguments.get("bias")
    scale = torch.rsqrt(variance + arguments["eps"])
    scale = scale if weight is None else scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias


# --- products and sums ----------------------------------------------------------------------------


@rule("add.Tensor", "sub.Tensor")
def _sum(op: str, arguments: Arguments) -> Any:
    a, b = arguments["self"], arguments["other"]
    if not (isinstance(a, Dual) and isinstance(b, Dual)):
        return differentiate(op, arguments)
    if a.both.dim() != b.both.dim():  # broadcasting must not meet the leading dimension
        return _linear(op, arguments)
    return Dual(operators.run(op, {**arguments, "self": a.both, "other": b.both}))


@rule("mul.Tensor")
def _product(op: str, arguments: Arguments) -> Any:
    a, b = arguments["self"], arguments["other"]
    if isinstance(a, Dual) and isinstance(b, Dual):
        return Dual.of(a.value * b.value, a.value * b.tangent + a.tangent * b.value)
    return _linear(op, arguments)


@rule("div.Tensor")
def _quotient(op: str, arguments: Arguments) -> Any:
    return (differentiate if isinstance(arguments["other"], Dual) else _linear)(op, arguments)


# --- piecewise linear operators -------------------------------------------------------------------


@rule("relu")
def _relu(_: str, arguments: Arguments) -> Any:
    both = arguments["self"].both
    return Dual(both * (both[0] > 0))


@rule("relu6", "hardtanh")
def _clamped(op: str, arguments: Arguments) -> Any:
    both = arguments["self"].both
    low, high = (0.0, 6.0) if op == "relu6" else (-1.0, 1.0)
    low, high = arguments.get("min_val", low), arguments.get("max_val", high)
    value = both[0].detach()
    inside = (value > low) & (value < high)
    outside = value.clamp(low, high) * ~inside
    return Dual(both * inside + _for_value(outside))


@rule("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(op: str, arguments: Arguments) -> Any:
    """Take value and tangent from where the value is largest."""
    both, rank = arguments["self"].both, int(op[8])
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[rank]
    options = {name: value for name, value in arguments.items() if name != "self"}
    with torch.no_grad():
        places = pool(both[0], **options, return_indices=True)[1]
    index = places.flatten(-rank).expand(2, *[-1] * (places.dim() - rank + 1))
    return Dual(both.flatten(-rank).gather(-1, index).unflatten(-1, places.shape[-rank:]))


def constant(value: Tensor) -> Dual:
    """Return `value` as a dual number that does not vary."""
    return Dual.of(value, torch.zeros_like(value))
