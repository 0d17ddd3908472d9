"""Functions of one number: `y = f(x)`, `ẏ = f'(x) ẋ`, by torch's own kernels of f and f'.

Backward, with the gradients a of y and b of ẏ: `x̄ = f'(x) a + f''(x) ẋ b` and `ẋ̄ = f'(x) b`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual, differentiate
from narrows.forward_mode.rules.blocks import in_blocks
from narrows.forward_mode.rules.registry import rule
from narrows.graph import eval_mode

aten: Any = torch.ops.aten


@dataclass(frozen=True)
class Function:
    """f; `slope(g, x)` is `g f'(x)`, and `curvature(x)` is f''(x), None where it is 0."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curvature: Callable[[Tensor], Tensor] | None = None


def apply(function: Function, x: Dual) -> Dual:
    """Return f of a dual number.

    >>> square = Function(torch.square, lambda g, x: g * 2 * x, lambda x: torch.full_like(x, 2))
    >>> apply(square, Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))).both  # x² = 9, 2 x = 6
    tensor([[9.],
            [6.]])
    """
    run: Callable[..., Tensor] = _Apply.apply
    return Dual(run(x.both, function))


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor, function: Function) -> Tensor:
        both = both.contiguous()
        result = torch.empty_like(both)
        for x, tangent, y, slope in in_blocks(*both, *result):
            y.copy_(function.value(x))
            slope.copy_(function.slope(tangent, x))
        ctx.save_for_backward(both)
        ctx.function = function
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (both,) = ctx.saved_tensors
        function, grad = ctx.function, grad.contiguous()
        result = torch.empty_like(grad)
        for x, tangent, a, b, of_x, of_tangent in in_blocks(*both, *grad, *result):
            of_x.copy_(function.slope(a, x))
            if function.curvature is not None:
                of_x.addcmul_(function.curvature(x).mul_(tangent), b)
            of_tangent.copy_(function.slope(b, x))
        return result, None


# --- the functions --------------------------------------------------------------------------------


def _gelu(approximate: str = "none") -> Function:
    def curvature(x: Tensor) -> Tensor:
        square = x.square()  # φ(x) (2 − x²)
        density = square.mul(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
        return square.neg_().add_(2).mul_(density)

    def curvature_of_tanh(x: Tensor) -> Tensor:
        k, c = math.sqrt(2 / math.pi), 0.044715
        t = (k * (x + c * x**3)).tanh_()
        first, second = k * (1 + 3 * c * x.square()), 6 * k * c * x
        return (1 - t.square()) * (first + 0.5 * x * (second - 2 * t * first.square()))

    return Function(
        partial(aten.gelu, approximate=approximate),
        partial(aten.gelu_backward, approximate=approximate),
        curvature if approximate == "none" else curvature_of_tanh,
    )


def _sigmoid_slope(g: Tensor, x: Tensor) -> Tensor:
    result: Tensor = aten.sigmoid_backward(g, x.sigmoid())
    return result


def _sigmoid_curvature(x: Tensor) -> Tensor:
    s = x.sigmoid()
    return (s - s.square()).mul_(1 - 2 * s)


def _silu_curvature(x: Tensor) -> Tensor:
    s = x.sigmoid()  # s (1 − s) (2 + x (1 − 2 s))
    bend = x.addcmul(x, s, value=-2).add_(2)
    return bend.mul_(s).mul_(1 - s)


def _tanh_slope(g: Tensor, x: Tensor) -> Tensor:
    result: Tensor = aten.tanh_backward(g, x.tanh())
    return result


def _tanh_curvature(x: Tensor) -> Tensor:
    t = x.tanh()
    return (t.square() - 1).mul_(t).mul_(2)


def _mish_curvature(x: Tensor) -> Tensor:
    s, t = x.sigmoid(), aten.softplus(x).tanh()
    first = s * (1 - t.square())
    return 2 * first + x * ((1 - s) * first - 2 * s * t * first)


def _hardswish_curvature(x: Tensor) -> Tensor:
    return (x.abs() < 3).to(x.dtype).div_(3)


def _elu(alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Function:
    def slope(g: Tensor, x: Tensor) -> Tensor:
        result: Tensor = aten.elu_backward(g, alpha, scale, input_scale, False, x)
        return result

    def curvature(x: Tensor) -> Tensor:
        bend = (input_scale * x).exp_().mul_(scale * alpha * input_scale**2)
        return bend.masked_fill_(x > 0, 0)

    def value(x: Tensor) -> Tensor:
        result: Tensor = aten.elu(x, alpha, scale, input_scale)
        return result

    return Function(value, slope, curvature)


def _softplus(beta: float = 1, threshold: float = 20) -> Function:
    def curvature(x: Tensor) -> Tensor:
        s = (beta * x).sigmoid_()
        return (s - s.square()).mul_(beta).masked_fill_(beta * x > threshold, 0)

    return Function(
        lambda x: aten.softplus(x, beta, threshold),
        lambda g, x: aten.softplus_backward(g, x, beta, threshold),
        curvature,
    )


def _hardtanh(min_val: float = -1, max_val: float = 1) -> Function:
    return Function(
        lambda x: aten.hardtanh(x, min_val, max_val),
        lambda g, x: aten.hardtanh_backward(g, x, min_val, max_val),
    )


def _leaky_relu(negative_slope: float = 0.01) -> Function:
    return Function(
        lambda x: aten.leaky_relu(x, negative_slope),
        lambda g, x: aten.leaky_relu_backward(g, x, negative_slope, False),
    )


FUNCTIONS: dict[str, Callable[..., Function]] = {
    "relu": lambda: Function(torch.relu, lambda g, x: aten.threshold_backward(g, x, 0)),
    "relu6": lambda: _hardtanh(0, 6),
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky_relu,
    "hardsigmoid": lambda: Function(  # its own kernel rounds 1/6 to single precision
        eval_mode.REWRITES["hardsigmoid"], lambda g, x: aten.hardtanh_backward(g, x, -3, 3) / 6
    ),
    "hardswish": lambda: Function(
        aten.hardswish, aten.hardswish_backward, _hardswish_curvature
    ),
    "gelu": _gelu,
    "silu": lambda: Function(aten.silu, aten.silu_backward, _silu_curvature),
    "mish": lambda: Function(aten.mish, aten.mish_backward, _mish_curvature),
    "sigmoid": lambda: Function(torch.sigmoid, _sigmoid_slope, _sigmoid_curvature),
    "tanh": lambda: Function(torch.tanh, _tanh_slope, _tanh_curvature),
    "elu": _elu,
    "softplus": _softplus,
    "exp": lambda: Function(torch.exp, lambda g, x: g * x.exp(), torch.exp),
    "square": lambda: Function(
        torch.square, lambda g, x: 2 * g * x, lambda x: torch.full_like(x, 2)
    ),
    "reciprocal": lambda: Function(
        torch.reciprocal, lambda g, x: -g / x.square(), lambda x: 2 / x**3
    ),
    "rsqrt": lambda: Function(
        torch.rsqrt, lambda g, x: g * x.rsqrt().pow_(3).mul_(-0.5),
        lambda x: x.rsqrt().pow_(5).mul_(0.75),
    ),
    "erf": lambda: Function(
        torch.erf, lambda g, x: g * _erf_slope(x), lambda x: -2 * x * _erf_slope(x)
    ),
}  # fmt: skip
"""For each operator, its function, made from the arguments of a call but the first."""


def _erf_slope(x: Tensor) -> Tensor:
    return x.square().neg_().exp_().mul_(2 / math.sqrt(math.pi))


@rule(*FUNCTIONS)
def _function(op: str, arguments: Arguments) -> Any:
    options = {name: value for name, value in arguments.items() if name != "self"}
    return apply(FUNCTIONS[op](**options), arguments["self"])


@rule("pow.Tensor_Scalar")
def _power(op: str, arguments: Arguments) -> Any:
    if arguments["exponent"] == 2:
        return _function("square", {"self": arguments["self"]})
    return differentiate(op, arguments)
