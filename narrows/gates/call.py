"""The gate on one value: its arithmetic, and the derivatives along it.

See docs/method.md, "Gates".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.channels.structures import NO_STRUCTURE
from narrows.forward_mode.dual import Dual
from narrows.graph.network import Network


@dataclass(frozen=True)
class Gate:
    """A gate on a value: `y = m · (u + bias) + shift`, channel by channel, at m = 1.

    The channels lie along dimension `axis` of the value, samples along `batch_axis` (None: it is
    not known). `u` is a layer's product without bias, `bias` and `shift` have shape [width],
    `shift` comes from a folded batch norm, and with `relu` a folded ReLU is applied last.
    `structures` [width] holds the structure of each channel, and `direction` [width], the tangent
    of m, is 1 for a channel of a structure and 0 for any other.

    >>> m, ones = torch.tensor([[1.0, 0.0]]), torch.ones(2)
    >>> gate = Gate(1, 0, ones, torch.tensor([0, 1]), bias=3 * ones, shift=4 * ones)
    >>> multiply(gate, m, torch.tensor([[10.0, 20.0]]))  # 1 · (10 + 3) + 4 and 0 · (20 + 3) + 4
    tensor([[17.,  4.]])
    """

    axis: int
    batch_axis: int | None
    direction: Tensor
    structures: Tensor
    bias: Tensor | None = None
    shift: Tensor | None = None
    relu: bool = False

    def along_channels(self, vector: Tensor, rank: int) -> Tensor:
        """View a vector [width] so that it broadcasts over a value of `rank` dimensions.

        >>> none = torch.empty(0)
        >>> Gate(1, 0, none, none).along_channels(torch.ones(3), rank=4).shape
        torch.Size([1, 3, 1, 1])
        """
        return vector.view([-1 if dim == self.axis else 1 for dim in range(rank)])


def gate_on(
    network: Network,
    structures: NDArray[np.int64],
    axis: int,
    batch_axis: int | None,
    **taken_in: Any,
) -> Gate:
    """Return a gate on channels of these structures [width], on the device of the network.

    `taken_in` are the bias, shift and ReLU of a folded call.

    >>> from narrows.example import two_neurons
    >>> gate_on(two_neurons()[0], np.array([5, NO_STRUCTURE]), axis=1, batch_axis=0).direction
    tensor([1., 0.])
    """
    device = next(iter(network.tensors.values())).device
    on_device = torch.from_numpy(structures).to(device)
    direction = (on_device != NO_STRUCTURE).to(network.precision)
    return Gate(axis, batch_axis, direction, on_device, **taken_in)


@dataclass(frozen=True)
class Leaf:
    """The gate of one call during one batch: m and its tangent, float64 of shape [width].

    Both require a gradient.
    """

    value: Tensor
    tangent: Tensor
    structures: Tensor


def leaf_of(gate: Gate) -> Leaf:
    """Return the gate's m and its tangent for one batch, both 1 and differentiable.

    >>> leaf = leaf_of(Gate(1, 0, torch.ones(2), torch.tensor([0, 1])))
    >>> leaf.value.tolist(), leaf.tangent.tolist()
    ([1.0, 1.0], [1.0, 1.0])
    """
    ones = torch.ones_like(gate.direction, dtype=torch.float64)
    return Leaf(ones.requires_grad_(), ones.clone().detach().requires_grad_(), gate.structures)


def apply_gate(gate: Gate, leaf: Leaf, u: Dual | Tensor) -> Dual:
    """Return the gated value of `u`, with its derivative along all structures.

    That is `y = m u`, `ẏ = m u̇ + ṁ u` at m = ṁ = 1.

    >>> gate = Gate(1, 0, torch.tensor([1.0, 0.0]), torch.tensor([0, NO_STRUCTURE]))
    >>> y = apply_gate(gate, leaf_of(gate), torch.tensor([[3.0, 5.0]]))  # u̇ = 0
    >>> y.value.tolist(), y.tangent.tolist()
    ([[3.0, 5.0]], [[3.0, 0.0]])
    """
    dual = isinstance(u, Dual)
    both = u.both if isinstance(u, Dual) else u
    apply: Callable[..., Tensor] = _ApplyGate.apply
    return Dual(apply(both, leaf.value, leaf.tangent, gate, dual))


def multiply(gate: Gate, m: Tensor, u: Tensor) -> Tensor:
    """Return the gated value for gates m [samples or 1, width]: a row for each sample, or for all.

    Raises MixedSamplesError where m has several rows, and no dimension of `u` tells samples apart.

    >>> gate = Gate(1, 0, torch.ones(2), torch.tensor([0, 1]))
    >>> multiply(gate, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.ones(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    rank = u.dim()
    shape = [1] * rank
    shape[gate.axis] = m.shape[1]
    if len(m) > 1:
        if gate.batch_axis is None or u.shape[gate.batch_axis] % len(m):
            raise MixedSamplesError
        shape[gate.batch_axis] = u.shape[gate.batch_axis]
        m = m.repeat_interleave(u.shape[gate.batch_axis] // len(m), 0)
    if gate.batch_axis is not None and gate.batch_axis > gate.axis:
        m = m.T
    value = u if gate.bias is None else u + gate.along_channels(gate.bias, rank)
    value = value * m.reshape(shape).to(u.dtype)
    if gate.shift is not None:
        value = value + gate.along_channels(gate.shift, rank)
    return value.relu() if gate.relu else value


class MixedSamplesError(ValueError):
    """The error for a gated value without a dimension that tells samples apart."""

    def __init__(self) -> None:
        super().__init__(
            "the program, exported for one size of batch, mixes its samples; export it with a "
            "dynamic batch, or choose the method 'sosp_h'"
        )


class _ApplyGate(torch.autograd.Function):
    """`y = m·u + shift`, `ẏ = m·u̇ + ṁ·u` at m = 1, ṁ = direction, and the ReLU of that.

    `u`, here with its bias, is [2, batch, …], or [batch, …] (not `dual`) where nothing before the
    layer varies. Written out for memory: the gradients of m and ṁ need u only where the ReLU is
    positive, and there the result gives it, so only the result is kept. The gradients are summed
    over space in the network's precision, and over the batch in float64.
    """

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, _m: Tensor, _tangent: Tensor, gate: Gate, dual: bool
    ) -> Tensor:
        value = u[0] if dual else u
        rank = value.dim()
        if gate.bias is not None:
            value = value + gate.along_channels(gate.bias, rank)
        result = u.new_empty(2, *value.shape)
        if dual:
            torch.addcmul(u[1], value, gate.along_channels(gate.direction, rank), out=result[1])
        else:
            torch.mul(value, gate.along_channels(gate.direction, rank), out=result[1])
        shift = value.new_zeros(()) if gate.shift is None else gate.along_channels(gate.shift, rank)
        torch.add(value, shift, out=result[0])
        if gate.relu:
            _relu_gradient(result[1], result[0], out=result[1])
            result[0].relu_()
        ctx.save_for_backward(result)
        ctx.gate, ctx.dual = gate, dual
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (result,) = ctx.saved_tensors
        gate, rank = ctx.gate, result.dim() - 1
        grad = _relu_gradient(grad, result[0]) if gate.relu else grad.clone()
        u = result[0]
        if gate.shift is not None:
            u = u - gate.along_channels(gate.shift, rank)
        of_tangent = _channel_sums(gate.axis, grad[1], u)
        of_m = _channel_sums(gate.axis, grad[0], u)
        if not ctx.dual:
            return None, of_m, of_tangent, None, None
        # Σ ẏ̄·u̇
        of_m += _channel_sums(gate.axis, grad[1], result[1]) - gate.direction * of_tangent
        grad[0].addcmul_(grad[1], gate.along_channels(gate.direction, rank))
        return grad, of_m, of_tangent, None, None


def _relu_gradient(grad: Tensor, value: Tensor, out: Tensor | None = None) -> Tensor:
    """Return `grad` where `value` is positive and 0 elsewhere."""
    operator: Any = torch.ops.aten.threshold_backward
    result: Tensor = (
        operator(grad, value, 0)
        if out is None
        else operator.grad_input(grad, value, 0, grad_input=out)
    )
    return result


def _channel_sums(axis: int, a: Tensor, b: Tensor) -> Tensor:
    """Return `Σ a·b` over all dimensions but the channels: float64 of shape [channels]."""
    if axis == 1 and a.dim() > 2:
        per_sample: Tensor = torch.linalg.vecdot(a.flatten(2), b.flatten(2))
    else:
        product = (a * b).movedim(axis, -1)
        per_sample = product.reshape(len(product), -1, product.shape[-1]).sum(1)
    return per_sample.sum(0, dtype=torch.float64)
