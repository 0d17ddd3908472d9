"""Piecewise linear functions of one number: the tangent passes where the slope is not 0."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, Dual
from narrows.forward_mode.rules.registry import rule
from narrows.graph import eval_mode

aten: Any = torch.ops.aten


class Piecewise(NamedTuple):
    """f, and `slope(g, x)`, which is `g f'(x)`."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor, function: Piecewise) -> Tensor:
        x, tangent = both.unbind()
        ctx.save_for_backward(x)
        ctx.function = function
        return torch.stack([function.value(x), function.slope(tangent, x)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return ctx.function.slope(grad, x.expand_as(grad)), None


def _bounded(min_val: float = -1, max_val: float = 1) -> Piecewise:
    return Piecewise(
        partial(aten.hardtanh, min_val=min_val, max_val=max_val),
        partial(aten.hardtanh_backward, min_val=min_val, max_val=max_val),
    )


def _leaky_relu(negative_slope: float = 0.01) -> Piecewise:
    return Piecewise(
        partial(aten.leaky_relu, negative_slope=negative_slope),
        lambda g, x: aten.leaky_relu_backward(g, x, negative_slope, False),
    )


FUNCTIONS: dict[str, Callable[..., Piecewise]] = {
    "relu": lambda: Piecewise(torch.relu, lambda g, x: aten.threshold_backward(g, x, 0)),
    "relu6": lambda: _bounded(0, 6),
    "hardtanh": _bounded,
    "leaky_relu": _leaky_relu,
    "hardsigmoid": lambda: Piecewise(  # its own kernel rounds 1/6 to single precision
        eval_mode.REWRITES["hardsigmoid"], lambda g, x: aten.hardtanh_backward(g, x, -3, 3) / 6
    ),
}
"""For each operator, its function, made from the arguments of a call but the first."""


@rule(*FUNCTIONS)
def _piecewise(op: str, arguments: Arguments) -> Any:
    options = {name: value for name, value in arguments.items() if name != "self"}
    run: Callable[..., Tensor] = _Apply.apply
    return Dual(run(arguments["self"].both, FUNCTIONS[op](**options)))
