"""Smooth functions of one number: `y = f(x)`, `ẏ = f'(x) ẋ`.

Backward, with the gradients a of y and b of ẏ: `x̄ = f'(x) a + f''(x) ẋ b` and `ẋ̄ = f'(x) b`.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, differentiate
from narrows.forward_mode.rules.blocks import in_blocks
from narrows.forward_mode.rules.registry import rule

aten: Any = torch.ops.aten

Smooth = Callable[[Tensor, int], tuple[Tensor, ...]]
"""(x, order) → f(x) and f'(x) for order 0, f'(x) and f''(x) for order 1, as new tensors."""


def apply(function: Smooth, x: Dual) -> Dual:
    """Return f of a dual number.

    >>> apply(square, Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))).both  # x² = 9, 2 x = 6
    tensor([[9.],
            [6.]])
    """
    run: Callable[..., Tensor] = _Apply.apply
    return Dual(run(x.both, function))


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor, function: Smooth) -> Tensor:
        both = both.contiguous()
        result = torch.empty_like(both)
        for x, tangent, y, of_tangent in in_blocks(*both, *result):
            value, slope = function(x, 0)
            y.copy_(value)
            torch.mul(slope, tangent, out=of_tangent)
        ctx.save_for_backward(both)
        ctx.function = function
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (both,) = ctx.saved_tensors
        grad = grad.contiguous()
        result = torch.empty_like(grad)
        for x, tangent, a, b, of_x, of_tangent in in_blocks(*both, *grad, *result):
            slope, curvature = ctx.function(x, 1)
            torch.mul(slope, a, out=of_x).addcmul_(curvature.mul_(tangent), b)
            torch.mul(slope, b, out=of_tangent)
        return result, None


# --- the functions --------------------------------------------------------------------------------


def gelu(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`x Φ`, `Φ + x φ` and `φ (2 − x²)`, with the normal distribution Φ and its density φ."""
    distribution = x.mul(math.sqrt(0.5)).erf_().add_(1).mul_(0.5)
    square = x.square()
    density = square.mul(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
    slope = torch.addcmul(distribution, x, density)
    if order == 0:
        return distribution.mul_(x), slope
    return slope, square.neg_().add_(2).mul_(density)


def gelu_by_tanh(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`x (1 + t) / 2` with `t = tanh(z)`, `z = k (x + c x³)`."""
    k, c = math.sqrt(2 / math.pi), 0.044715
    square = x.square()
    t = square.mul(c).add_(1).mul_(x).mul_(k).tanh_()
    z1 = square.mul(3 * c).add_(1).mul_(k)
    t1 = (1 - t.square()).mul_(z1)
    slope = (t + 1).addcmul_(x, t1).mul_(0.5)
    if order == 0:
        return t.add_(1).mul_(x).mul_(0.5), slope
    t2 = (1 - t.square()).mul_(x).mul_(6 * k * c).addcmul_(t.mul_(t1), z1, value=-2)
    return slope, t2.mul_(x).mul_(0.5).add_(t1)


def sigmoid(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`s = 1 / (1 + e⁻ˣ)`, `s (1 − s)` and `s (1 − s) (1 − 2 s)`."""
    s = x.sigmoid()
    slope = s.addcmul(s, s, value=-1)
    return (s, slope) if order == 0 else (slope, s.mul_(-2).add_(1).mul_(slope))


def silu(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`x s`, `s + x s (1 − s)` and `s (1 − s) (2 + x (1 − 2 s))`, s being the sigmoid."""
    s = x.sigmoid()
    s1 = s.addcmul(s, s, value=-1)
    slope = torch.addcmul(s, x, s1)
    if order == 0:
        return s.mul_(x), slope
    return slope, s.mul_(-2).add_(1).mul_(x).add_(2).mul_(s1)


def tanh(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`t`, `1 − t²` and `−2 t (1 − t²)`."""
    t = x.tanh()
    slope = t.square().neg_().add_(1)
    return (t, slope) if order == 0 else (slope, t.mul_(-2).mul_(slope))


def mish(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`x t`, `t + x t'` and `2 t' + x t''` with `t = tanh(log(1 + eˣ))`."""
    s, t = x.sigmoid(), aten.softplus(x).tanh_()
    t1 = (1 - t.square()).mul_(s)
    slope = torch.addcmul(t, x, t1)
    if order == 0:
        return t.mul_(x), slope
    t2 = (1 - s).addcmul_(s, t, value=-2).mul_(t1)
    return slope, t2.mul_(x).add_(t1, alpha=2)


def hardswish(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """0 up to −3, x from 3 on, and `x (x + 3) / 6` between."""
    slope = aten.hardswish_backward(torch.ones_like(x), x)
    return (aten.hardswish(x), slope) if order == 0 else (slope, (x.abs() < 3).to(x.dtype).div_(3))


def exp(x: Tensor, _order: int) -> tuple[Tensor, ...]:
    """Itself, with all derivatives."""
    return x.exp(), x.exp()


def erf(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`2/√π ∫ e^{−x²}`, `2/√π e^{−x²}` and `−2 x` times that."""
    slope = x.square().neg_().exp_().mul_(2 / math.sqrt(math.pi))
    return (x.erf(), slope) if order == 0 else (slope, (slope * x).mul_(-2))


def square(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`x²`, `2 x` and 2."""
    return (x.square(), 2 * x) if order == 0 else (2 * x, torch.full_like(x, 2))


def reciprocal(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`1/x`, `−1/x²` and `2/x³`."""
    y = x.reciprocal()
    slope = y.square().neg_()
    return (y, slope) if order == 0 else (slope, y.mul_(slope).mul_(-2))


def rsqrt(x: Tensor, order: int) -> tuple[Tensor, ...]:
    """`x^{−1/2}`, `−x^{−3/2} / 2` and `¾ x^{−5/2}`."""
    y = x.rsqrt()
    slope = y.pow(3).mul_(-0.5)
    return (y, slope) if order == 0 else (slope, y.pow_(5).mul_(0.75))


@rule("gelu")
def _gelu_rule(_: str, arguments: Arguments) -> Any:
    tanh_form = arguments.get("approximate", "none") != "none"
    return apply(gelu_by_tanh if tanh_form else gelu, arguments["self"])


FUNCTIONS: dict[str, Smooth] = {
    f.__name__: f
    for f in (sigmoid, silu, tanh, mish, hardswish, exp, erf, square, reciprocal, rsqrt)
}


@rule(*FUNCTIONS)
def _smooth(op: str, arguments: Arguments) -> Any:
    return apply(FUNCTIONS[op], arguments["self"])


@rule("pow.Tensor_Scalar")
def _power(op: str, arguments: Arguments) -> Any:
    if arguments["exponent"] == 2:
        return apply(square, arguments["self"])
    return differentiate(op, arguments)
