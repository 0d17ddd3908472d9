"""A gated value with its derivative along all gates at m = 1, written out for fewer passes.

`y = m·(u + bias) + shift`, `ẏ = m·u̇ + ṁ·(u + bias)` at m = 1, ṁ = direction, and the clamp of that.
Only the result is kept. The gradients of m need u only within the bounds, and there the result
gives it.

See docs/method.md, "Gates" and "Dual numbers".
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from narrows.forward_mode.layer_product import LayerProduct
from narrows.gates.sums import bounded_gradient, gradients_along_all

if TYPE_CHECKING:
    from narrows.gates.call import Gate


class AlongAll(torch.autograd.Function):
    """`u` is [2, batch, …], or [batch, …] (not `dual`) where nothing before the layer varies.

    `m` [2, width] holds m and ṁ.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, _m: Tensor, gate: "Gate", dual: bool) -> Tensor:
        result = u.new_empty(u.shape if dual else (2, *u.shape))
        _gate(gate, result, *(u.unbind() if dual else (u,)))
        ctx.save_for_backward(result)
        ctx.gate, ctx.dual = gate, dual
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (result,) = ctx.saved_tensors
        gate = ctx.gate
        within = _within(gate, grad, result)
        of_gates = gradients_along_all(gate, within, result, ctx.dual)
        if not ctx.dual:
            return None, of_gates, None, None
        of_u = torch.empty_like(within) if within is grad else within
        _add_tangent(gate, within, of_u)
        return of_u, of_gates, None, None


class ProductAlongAll(torch.autograd.Function):
    """The same where u is a layer's product with `both`, [2, batch, …].

    It takes less memory and fewer passes: the gate works in place on the product, and where every
    channel has a structure, the gradients are added behind the product.
    """

    @staticmethod
    def forward(ctx: Any, both: Tensor, _m: Tensor, gate: "Gate", product: LayerProduct) -> Tensor:
        result = product(both)
        _gate(gate, result, *result.unbind())
        ctx.save_for_backward(result)
        ctx.gate, ctx.product, ctx.shape = gate, product, both.shape
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (result,) = ctx.saved_tensors
        gate = ctx.gate
        within = _within(gate, grad, result)
        of_gates = gradients_along_all(gate, within, result, dual=True)
        if gate.gates_all:
            of_both = ctx.product.gradient(within, ctx.shape)
            of_value, of_tangent = of_both.unbind()
            of_value += of_tangent
            return of_both, of_gates, None, None
        of_u = torch.empty_like(within) if within is grad else within
        _add_tangent(gate, within, of_u)
        return ctx.product.gradient(of_u, ctx.shape), of_gates, None, None


def _gate(gate: "Gate", result: Tensor, u: Tensor, along: Tensor | None = None) -> None:
    """Write y and ẏ into `result`, which may hold u and u̇, `along`; None where u does not vary."""
    y, tangent = result.unbind()
    rank = y.dim()
    if gate.bias is not None:
        torch.add(u, gate.along_channels(gate.bias, rank), out=y)
    else:
        y.copy_(u)
    if along is None:
        torch.mul(y, gate.along_channels(gate.direction, rank), out=tangent)
    elif gate.gates_all:
        torch.add(along, y, out=tangent)
    else:
        torch.addcmul(along, y, gate.along_channels(gate.direction, rank), out=tangent)
    if gate.shift is not None:
        y.add_(gate.along_channels(gate.shift, rank))
    if gate.bounds is not None:
        bounded_gradient(tangent, y, gate.bounds, out=tangent)
        y.clamp_(*gate.bounds)


def _within(gate: "Gate", grad: Tensor, result: Tensor) -> Tensor:
    return grad if gate.bounds is None else bounded_gradient(grad, result[0], gate.bounds)


def _add_tangent(gate: "Gate", grad: Tensor, of_u: Tensor) -> None:
    """Write the gradients of u and u̇, `a + direction · b` and b, into `of_u`, perhaps `grad`."""
    (a, b), (of_value, of_tangent) = grad.unbind(), of_u.unbind()
    if gate.gates_all:
        torch.add(a, b, out=of_value)
    else:
        torch.addcmul(a, b, gate.along_channels(gate.direction, a.dim()), out=of_value)
    of_tangent.copy_(b)
