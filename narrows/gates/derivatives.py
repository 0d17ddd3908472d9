"""The derivatives along a gate at m = 1, written out: fewer passes over memory than torch's own.

Only the result is kept. The gradients of m need u only within the bounds, and there the result
gives it. They are summed over space in the network's precision.

See docs/method.md, "Gates".
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from narrows.gates.call import Gate

aten: Any = torch.ops.aten


class AlongAll(torch.autograd.Function):
    """`y = m·u + shift`, `ẏ = m·u̇ + ṁ·u` at m = 1, ṁ = direction, and the clamp of that.

    `u`, here with its bias, is [2, batch, …], or [batch, …] (not `dual`) where nothing before the
    layer varies. The gradients of m and ṁ are summed over the batch in float64.
    """

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, _m: Tensor, _tangent: Tensor, gate: "Gate", dual: bool
    ) -> Tensor:
        value = u[0] if dual else u
        rank = value.dim()
        result = u.new_empty(2, *value.shape)
        y, tangent = result
        if gate.bias is None:
            y.copy_(value)
        else:
            torch.add(value, gate.along_channels(gate.bias, rank), out=y)
        if not gate.gates_all:
            torch.mul(y, gate.along_channels(gate.direction, rank), out=tangent)
            if dual:
                tangent.add_(u[1])
        elif dual:
            torch.add(u[1], y, out=tangent)
        else:
            tangent.copy_(y)
        if gate.shift is not None:
            y.add_(gate.along_channels(gate.shift, rank))
        if gate.bounds is not None:
            _bounded_gradient(tangent, y, gate.bounds, out=tangent)
            y.clamp_(*gate.bounds)
        ctx.save_for_backward(result)
        ctx.gate, ctx.dual = gate, dual
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        ((y, tangent),) = ctx.saved_tensors
        gate = ctx.gate
        within = grad if gate.bounds is None else _bounded_gradient(grad, y, gate.bounds)
        a, b = within
        of_m, of_tangent = _sums_with_u(gate, a, y), _sums_with_u(gate, b, y)
        if not ctx.dual:
            return None, *_over_batch(of_m, of_tangent), None, None
        # Σ ẏ̄·u̇
        of_m = of_m + _rows(gate.axis, b * tangent) - gate.direction * of_tangent
        result = torch.empty_like(within) if within is grad else within
        if gate.gates_all:
            torch.add(a, b, out=result[0])
        else:
            torch.addcmul(a, b, gate.along_channels(gate.direction, a.dim()), out=result[0])
        if within is grad:
            result[1] = b
        return result, *_over_batch(of_m, of_tangent), None, None


class AtOne(torch.autograd.Function):
    """`y = m·u + shift` at m = 1 and the clamp of that, where each sample has gates of its own.

    m has the shape [samples, width]. Where nothing is folded, the result is `u` itself.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, m: Tensor, gate: "Gate") -> Tensor:
        added = [vector for vector in (gate.bias, gate.shift) if vector is not None]
        y = u.view_as(u)
        if added:
            y = u + gate.along_channels(sum(added[1:], added[0]), u.dim())
        if gate.bounds is not None:
            y = y.clamp(*gate.bounds)
        ctx.save_for_backward(y)
        ctx.gate, ctx.samples = gate, len(m)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (y,) = ctx.saved_tensors
        gate = ctx.gate
        if gate.bounds is not None:
            grad = _bounded_gradient(grad, y, gate.bounds)
        rows = _sums_with_u(gate, grad, y, gate.batch_axis)
        if ctx.samples == 1:
            return grad, rows.sum(0, keepdim=True), None
        return grad, rows.reshape(ctx.samples, -1, rows.shape[-1]).sum(1), None


def _bounded_gradient(
    grad: Tensor, value: Tensor, bounds: tuple[float, float], out: Tensor | None = None
) -> Tensor:
    """Return `grad` where `value` is within the bounds and 0 elsewhere."""
    value = value.expand_as(grad)
    if out is None:
        result: Tensor = aten.hardtanh_backward(grad, value, *bounds)
        return result
    aten.hardtanh_backward.grad_input(grad, value, *bounds, grad_input=out)
    return out


def _sums_with_u(gate: "Gate", grad: Tensor, y: Tensor, batch_axis: int | None = None) -> Tensor:
    """Return the rows of `Σ grad·u`, where the result is `y = u + shift`."""
    sums = _rows(gate.axis, grad * y, batch_axis)
    if gate.shift is None:
        return sums
    return sums - gate.shift * _rows(gate.axis, grad, batch_axis)


def _rows(axis: int, x: Tensor, batch_axis: int | None = None) -> Tensor:
    """Return the sum over all dimensions but two, as [batch, channels].

    Without a batch axis, another dimension is taken for it.
    """
    if x.dim() == 1:
        return x[None]
    if batch_axis is None:
        batch_axis = 0 if axis else 1
    others = [dim for dim in range(x.dim()) if dim not in (axis, batch_axis)]
    result = x.sum(others) if others else x
    return result if batch_axis < axis else result.mT


def _over_batch(*rows: Tensor) -> Iterator[Tensor]:
    return (row.sum(0, dtype=torch.float64) for row in rows)
