"""One gated call of a layer, with its derivatives along the gate (METHOD §2)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from worker.sosp.dual import Dual
from worker.sosp.layer_ops import along_channels, is_convolution


@dataclass(frozen=True)
class Gate:
    """A gate on one call of a layer: `y = m · (u + bias) + shift`, channel by channel, at m = 1.

    `u` is the layer's product without bias, `shift` what a folded batch norm adds, and `relu` says
    that a ReLU follows and is applied too. `direction`, the tangent of m, is 1 where the channel
    belongs to a structure and 0 where it must stay; `structures` is as in `channels.Layer`.
    """

    bias: Tensor | None
    shift: Tensor | None
    relu: bool
    direction: Tensor
    structures: Tensor


@dataclass(frozen=True)
class Leaf:
    """The gate of one call during one batch: m and its tangent, float64 of shape [width]."""

    value: Tensor
    tangent: Tensor
    structures: Tensor


def leaf_of(gate: Gate) -> Leaf:
    """Return the gate's m and its tangent for one batch, ready to be differentiated along."""
    ones = torch.ones_like(gate.direction, dtype=torch.float64)
    return Leaf(ones.requires_grad_(), ones.clone().detach().requires_grad_(), gate.structures)


def apply_gate(gate: Gate, leaf: Leaf, op: str, u: Dual | Tensor) -> Dual:
    """Return the gated result of a layer's product `u`."""
    dual = isinstance(u, Dual)
    both = u.both if isinstance(u, Dual) else u
    apply: Callable[..., Tensor] = _ApplyGate.apply
    return Dual(apply(both, leaf.value, leaf.tangent, gate, op, dual))


class _ApplyGate(torch.autograd.Function):
    """`y = m·u + shift`, `ẏ = m·u̇ + ṁ·u` at m = 1, ṁ = direction, and the ReLU of that.

    `u`, here with its bias, is [2, batch, …], or [batch, …] (not `dual`) where nothing before the
    layer varies. Written out for memory: the gradients of m and ṁ need u, which the result tells
    wherever the ReLU let it pass, so only the result is kept. They are summed over space in the
    network's precision, over the batch in float64.
    """

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, _m: Tensor, _tangent: Tensor, gate: Gate, op: str, dual: bool
    ) -> Tensor:
        value = u[0] if dual else u
        channels = partial(along_channels, op, rank=value.dim())
        if gate.bias is not None:
            value = value + channels(gate.bias)
        result = u.new_empty(2, *value.shape)
        if dual:
            torch.addcmul(u[1], value, channels(gate.direction), out=result[1])
        else:
            torch.mul(value, channels(gate.direction), out=result[1])
        shift = value.new_zeros(()) if gate.shift is None else channels(gate.shift)
        torch.add(value, shift, out=result[0])
        if gate.relu:
            _relu_gradient(result[1], result[0], out=result[1])
            result[0].relu_()
        ctx.save_for_backward(result)
        ctx.gate, ctx.op, ctx.dual = gate, op, dual
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (result,) = ctx.saved_tensors
        gate, op = ctx.gate, ctx.op
        channels = partial(along_channels, op, rank=result.dim() - 1)
        grad = _relu_gradient(grad, result[0]) if gate.relu else grad.clone()
        u = result[0] if gate.shift is None else result[0] - channels(gate.shift)
        of_tangent, of_m = _channel_sums(op, grad[1], u), _channel_sums(op, grad[0], u)
        if not ctx.dual:
            return None, of_m, of_tangent, None, None, None, None
        of_m += _channel_sums(op, grad[1], result[1]) - gate.direction * of_tangent  # Σ ẏ̄·u̇
        grad[0].addcmul_(grad[1], channels(gate.direction))
        return grad, of_m, of_tangent, None, None, None, None


def _relu_gradient(grad: Tensor, value: Tensor, out: Tensor | None = None) -> Tensor:
    """Return `grad` where `value` is positive and 0 elsewhere."""
    operator: Any = torch.ops.aten.threshold_backward
    result: Tensor = (
        operator(grad, value, 0)
        if out is None
        else operator.grad_input(grad, value, 0, grad_input=out)
    )
    return result


def _channel_sums(op: str, a: Tensor, b: Tensor) -> Tensor:
    """Sum `a · b` over all but the channels: float64 of shape [channels]."""
    if is_convolution(op):
        per_sample: Tensor = torch.linalg.vecdot(a.flatten(2), b.flatten(2))
    else:
        per_sample = (a * b).reshape(a.shape[0], -1, a.shape[-1]).sum(1)
    return per_sample.sum(0, dtype=torch.float64)
