"""Layer norm, and the norms that are layer norms of other shapes.

`y = x̂ w + b`, x̂ = (x − mean) r, r = 1 / √(variance + eps). The Jacobian `J = r (1 − 11ᵀ/n − x̂x̂ᵀ/n)`
of x̂ is symmetric, so that torch's backward kernel computes `J ẋ`, too. With the gradients a of y
and b of ẏ, v = w b, z = r x̂ / n, and n the count of the numbers that are normalized:

    x̄ = J (w a − ⟨ẋ, z⟩ v − ⟨v, z⟩ ẋ) − ⟨Jv, ẋ⟩ z,    ẋ̄ = J v.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, varying
from narrows.forward_mode.rules.blocks import in_blocks_of_rows
from narrows.forward_mode.rules.registry import rule, run

aten: Any = torch.ops.aten


class _LayerNorm(torch.autograd.Function):
    """[2, rows, n] → [2, rows, n], with constant weight and bias [n], or None."""

    @staticmethod
    def forward(
        ctx: Any, both: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        both = both.contiguous()
        width = [both.shape[-1]]
        x, tangent = both.unbind()
        value, mean, r = aten.native_layer_norm(x, width, weight, bias, eps)
        along = _jacobian(tangent, x, mean, r)
        ctx.save_for_backward(both, weight, mean, r)
        return torch.stack([value, along if weight is None else along.mul_(weight)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        both, weight, mean, r = ctx.saved_tensors
        result = torch.empty_like(both)
        rows = (*both.unbind(), *grad.unbind(), *result.unbind(), mean, r)
        for x, tangent, a, b, of_x, of_tangent, mean, r in in_blocks_of_rows(*rows):
            v, inner = (b, a.clone()) if weight is None else (b * weight, a * weight)
            z = (x - mean).mul_(r.square().div_(x.shape[-1]))
            jv = _jacobian(v, x, mean, r)
            inner.addcmul_(v, _dot(tangent, z), value=-1).addcmul_(tangent, _dot(v, z), value=-1)
            inner = _jacobian(inner, x, mean, r)
            torch.addcmul(inner, z, _dot(jv, tangent), value=-1, out=of_x)
            of_tangent.copy_(jv)
        return result, None, None, None


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _jacobian(vector: Tensor, x: Tensor, mean: Tensor, r: Tensor) -> Tensor:
    """Return the rows' J·vector."""
    result: Tensor = aten.native_layer_norm_backward(
        vector, x, [x.shape[-1]], mean, r, None, None, [True, False, False]
    )[0]
    return result


def normalize(
    x: Dual, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Dual:
    """Return the layer norm of x over its last dimensions, of this shape."""
    run: Callable[..., Tensor] = _LayerNorm.apply
    vectors = (None if vector is None else vector.flatten() for vector in (weight, bias))
    rows = x.both.reshape(2, -1, math.prod(shape))
    return Dual(run(rows, *vectors, eps).view(x.both.shape))


@rule("layer_norm")
def _layer_norm(_: str, arguments: Arguments) -> Any:
    x, weight, bias = arguments["input"], arguments.get("weight"), arguments.get("bias")
    shape, eps = tuple(arguments["normalized_shape"]), arguments.get("eps", 1e-5)
    if varying(arguments) == {"input"}:
        return normalize(x, shape, weight, bias, eps)
    if isinstance(x, Dual):
        return affine(normalize(x, shape, None, None, eps), weight, bias)
    return affine(torch.layer_norm(x, shape, None, None, eps), weight, bias)


def affine(x: Any, weight: Any, bias: Any) -> Any:
    """Return x · weight + bias, any of which may vary; weight and bias may be None."""
    if weight is not None:
        x = run("mul.Tensor", {"self": x, "other": weight})
    return x if bias is None else run("add.Tensor", {"self": x, "other": bias})


@rule("native_layer_norm")
def _native_layer_norm(op: str, arguments: Arguments) -> Any:
    return [_layer_norm(op, arguments), None, None]


@rule("group_norm")
def _group_norm(_: str, arguments: Arguments) -> Any:
    x, groups, eps = arguments["input"], arguments["num_groups"], arguments.get("eps", 1e-5)
    if isinstance(x, Dual):
        rows = Dual(x.both.reshape(2, x.both.shape[1] * groups, -1))
        result: Any = normalize(rows, (rows.both.shape[-1],), None, None, eps)
        result = Dual(result.both.view(x.both.shape))
    else:
        result = torch.group_norm(x, groups, None, None, eps)
    rank = x.both.dim() - 1 if isinstance(x, Dual) else x.dim()
    along = [_along_channels(arguments.get(name), rank) for name in ("weight", "bias")]
    return affine(result, *along)


def _along_channels(vector: Any, rank: int) -> Any:
    shape = (-1, *(1,) * (rank - 2))
    if isinstance(vector, Dual):
        return Dual(vector.both.view(2, *shape))
    return None if vector is None else vector.view(shape)


@rule("native_group_norm")
def _native_group_norm(op: str, arguments: Arguments) -> Any:
    return [_group_norm(op, {**arguments, "num_groups": arguments["group"]}), None, None]


@rule("rms_norm")
def _rms_norm(_: str, arguments: Arguments) -> Any:
    x, dims = arguments["input"], list(range(-len(arguments["normalized_shape"]), 0))
    like = x.both if isinstance(x, Dual) else x
    eps = arguments.get("eps")
    eps = torch.finfo(like.dtype).eps if eps is None else eps
    square = run("square", {"self": x})
    mean = run("mean.dim", {"self": square, "dim": dims, "keepdim": True})
    scale = run("rsqrt", {"self": run("add.Scalar", {"self": mean, "other": eps})})
    return affine(run("mul.Tensor", {"self": x, "other": scale}), arguments.get("weight"), None)
