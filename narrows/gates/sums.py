"""Sums over a batch and over space, for the derivatives along gates.

They are taken over space in the network's precision, and over the batch in float64.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from narrows.forward_mode.rules.blocks import in_blocks_of_rows

if TYPE_CHECKING:
    from narrows.gates.call import Gate

aten: Any = torch.ops.aten


def bounded_gradient(
    grad: Tensor, value: Tensor, bounds: tuple[float, float], out: Tensor | None = None
) -> Tensor:
    """Return `grad` where `value` is within the bounds and 0 elsewhere."""
    value = value.expand_as(grad)
    if out is None:
        result: Tensor = aten.hardtanh_backward(grad, value, *bounds)
        return result
    aten.hardtanh_backward.grad_input(grad, value, *bounds, grad_input=out)
    return out


def gradients_along_all(gate: "Gate", grad: Tensor, result: Tensor, dual: bool) -> Tensor:
    """Return the gradients of m and of ṁ at 1, [2, width], float64.

    `result` holds `y = m·(u + bias) + shift` and `ẏ = m·u̇ + ṁ·(u + bias)`, `grad` their gradients a
    and b. The gradient of ṁ is `Σ b·(u + bias)`, that of m is `Σ a·(u + bias) + b·u̇`. Without
    `dual`, u̇ is 0.
    """
    grads, results = _rows(gate.axis, grad, 1), _rows(gate.axis, result, 1)
    sums = []
    for a, b, y, tangent in in_blocks_of_rows(*grads.unbind(), *results.unbind()):
        product = a * y
        of_m = (product.addcmul_(b, tangent) if dual else product).sum(1)
        sums.append(torch.stack([of_m, torch.mul(b, y, out=product).sum(1)]))
    of_gates = _over_batch(gate, sums[0] if len(sums) == 1 else torch.cat(sums, 1))
    if gate.shift is not None:
        of_gates -= gate.shift * _over_batch(gate, grads.sum(2))
    if dual:  # ẏ has ṁ·(u + bias), too
        of_m, of_tangent = of_gates.unbind()
        of_m -= gate.direction * of_tangent
    return of_gates


def _over_batch(gate: "Gate", rows: Tensor) -> Tensor:
    return rows.view(2, -1, gate.width).sum(1, dtype=torch.float64)


def sums_of_rows(axis: int, *factors: Tensor) -> Tensor:
    """Return `Σ a·b`, or `Σ a`, over all dimensions but the first and `axis`: [batch, channels].

    Where the channels come first, the second dimension is taken for the batch.
    """
    rows = [_rows(axis, factor) for factor in factors]
    sums = [
        (part[0] * part[1] if len(part) == 2 else part[0]).sum(1)
        for part in in_blocks_of_rows(*rows)
    ]
    joined = sums[0] if len(sums) == 1 else torch.cat(sums)
    return joined.view(-1, factors[0].shape[axis])


def _rows(axis: int, x: Tensor, leading: int = 0) -> Tensor:
    """Return [batch · channels, …], or [batch, …, channels], of a value [batch, …].

    The sum goes over the dimension behind these rows. `leading` dimensions in front stay.
    """
    front, shape = x.shape[:leading], x.shape[leading:]
    if axis == 1 and len(shape) > 2:
        return x.reshape(*front, shape[0] * shape[1], -1)
    if len(shape) == 1:
        return x.reshape(*front, 1, 1, -1)
    if axis + 1 < len(shape):
        x = x.movedim(axis + leading, -1)
    return x.reshape(*x.shape[: leading + 1], -1, x.shape[-1])
