"""A value at m = 1, where each sample has gates of its own: `y = m·(u + bias) + shift`, clamped.

Only the result is kept. The gradients of m need u only within the bounds, and there the result
gives it.

See docs/method.md, "Gates".
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from narrows.gates.sums import bounded_gradient, sums_of_rows

if TYPE_CHECKING:
    from narrows.gates.call import Gate


class AtOne(torch.autograd.Function):
    """m has the shape [samples, width]. Where nothing is folded, the result is `u` itself."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, m: Tensor, gate: "Gate") -> Tensor:
        added = [vector for vector in (gate.bias, gate.shift) if vector is not None]
        y = u.view_as(u)
        if added:
            y = u + gate.along_channels(sum(added[1:], added[0]), u.dim())
        if gate.bounds is not None:
            y = y.clamp(*gate.bounds)
        ctx.save_for_backward(y)
        ctx.gate, ctx.samples = gate, m.shape[0]
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (y,) = ctx.saved_tensors
        gate = ctx.gate
        if gate.bounds is not None:
            grad = bounded_gradient(grad, y, gate.bounds)
        rows = _sums_of_samples(gate, grad, y)
        if gate.shift is not None:
            rows = rows - gate.shift * _sums_of_samples(gate, grad)
        if rows.shape[0] != ctx.samples:
            rows = rows.reshape(ctx.samples, -1, gate.width).sum(1)
        return grad, rows, None


def _sums_of_samples(gate: "Gate", *factors: Tensor) -> Tensor:
    """Return what `sums_of_rows` does, with the rows along the gate's batch axis."""
    if gate.batch_axis in (None, 0):
        return sums_of_rows(gate.axis, *factors)
    others = [dim for dim in range(factors[0].dim()) if dim not in (gate.axis, gate.batch_axis)]
    product = factors[0] if len(factors) == 1 else factors[0] * factors[1]
    result = product.sum(others) if others else product
    return result if gate.batch_axis < gate.axis else result.mT
