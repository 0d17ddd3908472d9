"""The derivatives along a gate at m = 1, written out: fewer passes over memory than torch's own.

Only the result is kept. The gradients of m need u only within the bounds, and there the result
gives it. They are summed over space in the network's precision.

See docs/method.md, "Gates".
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from narrows.forward_mode.rules.blocks import in_blocks_of_rows

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
        of_tangent = _sums(gate.axis, b, y)
        of_m = _sums(gate.axis, a, y, b, tangent) if ctx.dual else _sums(gate.axis, a, y)
        if gate.shift is not None:  # the result is y = u + shift
            of_tangent -= gate.shift * _sums(gate.axis, b)
            of_m -= gate.shift * _sums(gate.axis, a)
        if not ctx.dual:
            return None, *_over_batch(of_m, of_tangent), None, None
        of_m -= gate.direction * of_tangent  # the rest is Σ ẏ̄·u̇
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
        rows = _sums_of_samples(gate, grad, y)
        if gate.shift is not None:
            rows = rows - gate.shift * _sums_of_samples(gate, grad)
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


def _sums_of_samples(gate: "Gate", *factors: Tensor) -> Tensor:
    """Return what `_sums` does, with the rows along the gate's batch axis."""
    if gate.batch_axis in (None, 0):
        return _sums(gate.axis, *factors)
    others = [dim for dim in range(factors[0].dim()) if dim not in (gate.axis, gate.batch_axis)]
    product = factors[0] if len(factors) == 1 else factors[0] * factors[1]
    result = product.sum(others) if others else product
    return result if gate.batch_axis < gate.axis else result.mT


def _sums(axis: int, *factors: Tensor) -> Tensor:
    """Return `Σ a·b`, or `Σ a`, or `Σ a·b + c·d`, over all dimensions but the first and `axis`.

    The result is [batch, channels]; where the channels come first, the second dimension is taken
    for the batch.
    """
    rows = [_rows(axis, factor) for factor in factors]
    sums = []
    for a, *others in in_blocks_of_rows(rows[0][0].numel(), *rows):
        product = a * others[0] if others else a
        if others[1:]:
            product.addcmul_(*others[1:])
        sums.append(product.sum(1))
    return torch.cat(sums).view(-1, factors[0].shape[axis])


def _rows(axis: int, x: Tensor) -> Tensor:
    """Return [batch · channels, …], or [batch, …, channels]: the sum goes over dimension 1."""
    if axis == 1 and x.dim() > 2:
        return x.reshape(x.shape[0] * x.shape[1], -1)
    x = x[None] if x.dim() == 1 else x.movedim(axis, -1)
    return x.reshape(len(x), -1, x.shape[-1])


def _over_batch(*rows: Tensor) -> Iterator[Tensor]:
    return (row.sum(0, dtype=torch.float64) for row in rows)
