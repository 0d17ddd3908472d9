"""Smooth functions of one number: `y = f(x)`, `ẏ = f'(x) ẋ`.

Backward, with the gradients a of y and b of ẏ: `x̄ = f'(x) a + f''(x) ẋ b` and `ẋ̄ = f'(x) b`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, differentiate
from narrows.forward_mode.rules.blocks import in_blocks
from narrows.forward_mode.rules.registry import rule

aten: Any = torch.ops.aten


class Smooth(NamedTuple):
    """f, with `slope(g, x)`, which is `g f'(x)`, and `curvature(g, x)`, which is `g f''(x)`."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curvature: Callable[[Tensor, Tensor], Tensor]


def apply(function: Smooth, x: Dual) -> Dual:
    """Return f of a dual number.

    >>> x = Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))
    >>> apply(FUNCTIONS["square"], x).both  # x² = 9, 2 x = 6
    tensor([[9.],
            [6.]])
    """
    run: Callable[..., Tensor] = _Apply.apply
    return Dual(run(x.both, function))


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor, function: Smooth) -> Tensor:
        ctx.save_for_backward(both)
        ctx.function = function
        result = both.new_empty(both.shape)
        for y, y_tangent, x, tangent in in_blocks(*result.unbind(), *both.unbind()):
            y.copy_(function.value(x))
            y_tangent.copy_(function.slope(tangent, x))
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (both,) = ctx.saved_tensors
        result = both.new_empty(both.shape)
        flat = (*result.unbind(), *grad.unbind(), *both.unbind())
        for of_x, of_tangent, a, b, x, tangent in in_blocks(*flat):
            # until the gradients are known, their memory holds what is computed in between
            bend = ctx.function.curvature(torch.mul(b, tangent, out=of_x), x)
            slope = ctx.function.slope(of_tangent.fill_(1), x)  # once for both gradients
            torch.addcmul(bend, slope, a, out=of_x)
            torch.mul(slope, b, out=of_tangent)
        return result, None


# --- slopes and curvatures ------------------------------------------------------------------------


def _gelu_curvature(g: Tensor, x: Tensor) -> Tensor:
    square = x.square()  # φ(x) (2 − x²)
    density = square.mul(-0.5 / math.log(2)).exp2_()  # often faster than exp
    return square.sub_(2).mul_(density).mul_(g).mul_(-1 / math.sqrt(2 * math.pi))


def _tanh_gelu_curvature(g: Tensor, x: Tensor) -> Tensor:
    """Return g times the curvature of `x (1 + t) / 2`, with `t = tanh(z)`, `z = k (x + c x³)`."""
    k, c = math.sqrt(2 / math.pi), 0.044715
    square = x.square()
    t = square.mul(c).add_(1).mul_(x).mul_(k).tanh_()
    z1 = square.mul_(3 * c).add_(1).mul_(k)
    t2 = x.mul(6 * k * c).addcmul_(t, z1.square(), value=-2)  # of t'' / (1 − t²)
    return t2.mul_(x).mul_(0.5).add_(z1).mul_(g).mul_(t.square_().neg_().add_(1))


def _sigmoid_slope(g: Tensor, x: Tensor) -> Tensor:
    result: Tensor = aten.sigmoid_backward(g, x.sigmoid())
    return result


def _sigmoid_curvature(g: Tensor, x: Tensor) -> Tensor:
    s = x.sigmoid()
    slope: Tensor = aten.sigmoid_backward(g, s)
    return slope.mul_(s.mul_(-2).add_(1))


def _silu_curvature(g: Tensor, x: Tensor) -> Tensor:
    s = x.sigmoid()  # s (1 − s) (2 + x (1 − 2 s))
    bend = torch.addcmul(x, x, s, value=-2).add_(2)
    return bend.mul_(aten.sigmoid_backward(g, s))


def _tanh_slope(g: Tensor, x: Tensor) -> Tensor:
    result: Tensor = aten.tanh_backward(g, x.tanh())
    return result


def _tanh_curvature(g: Tensor, x: Tensor) -> Tensor:
    t = x.tanh()
    slope: Tensor = aten.tanh_backward(g, t)
    return slope.mul_(t).mul_(-2)


def _mish_curvature(g: Tensor, x: Tensor) -> Tensor:
    s, t = x.sigmoid(), aten.softplus(x).tanh_()
    t1 = (1 - t.square()).mul_(s)  # 2 t' + x t''
    t2 = (1 - s).addcmul_(s, t, value=-2).mul_(t1)
    return t2.mul_(x).add_(t1, alpha=2).mul_(g)


def _hardswish_curvature(g: Tensor, x: Tensor) -> Tensor:
    result: Tensor = aten.hardtanh_backward(g, x, -3, 3)
    return result.div_(3)


def _erf_slope(g: Tensor, x: Tensor) -> Tensor:
    return x.square().neg_().exp_().mul_(2 / math.sqrt(math.pi)).mul(g)


FUNCTIONS: dict[str, Smooth] = {
    "gelu": Smooth(aten.gelu, aten.gelu_backward, _gelu_curvature),
    "gelu by tanh": Smooth(
        partial(aten.gelu, approximate="tanh"),
        partial(aten.gelu_backward, approximate="tanh"),
        _tanh_gelu_curvature,
    ),
    "sigmoid": Smooth(torch.sigmoid, _sigmoid_slope, _sigmoid_curvature),
    "silu": Smooth(aten.silu, aten.silu_backward, _silu_curvature),
    "tanh": Smooth(torch.tanh, _tanh_slope, _tanh_curvature),
    "mish": Smooth(aten.mish, aten.mish_backward, _mish_curvature),
    "hardswish": Smooth(aten.hardswish, aten.hardswish_backward, _hardswish_curvature),
    "exp": Smooth(torch.exp, lambda g, x: x.exp().mul(g), lambda g, x: x.exp().mul(g)),
    "erf": Smooth(torch.erf, _erf_slope, lambda g, x: _erf_slope(g, x).mul_(x).mul_(-2)),
    "square": Smooth(torch.square, lambda g, x: 2 * g * x, lambda g, _: 2 * g),
    "reciprocal": Smooth(
        torch.reciprocal,
        lambda g, x: -g * x.reciprocal().square(),
        lambda g, x: 2 * g * x.reciprocal().pow(3),
    ),
    "rsqrt": Smooth(
        torch.rsqrt,
        lambda g, x: -0.5 * g * x.rsqrt().pow(3),
        lambda g, x: 0.75 * g * x.rsqrt().pow(5),
    ),
}


@rule(*FUNCTIONS)
def _smooth(op: str, arguments: Arguments) -> Any:
    if arguments.get("approximate", "none") != "none":
        op = "gelu by tanh"
    return apply(FUNCTIONS[op], arguments["self"])


@rule("pow.Tensor_Scalar")
def _power(op: str, arguments: Arguments) -> Any:
    if arguments["exponent"] == 2:
        return apply(FUNCTIONS["square"], arguments["self"])
    return differentiate(op, arguments)
