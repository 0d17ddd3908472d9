"""The gate on one value: its arithmetic, and the derivatives along it.

See docs/method.md, "Gates".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.channels.structures import NO_STRUCTURE
from narrows.forward_mode import rules
from narrows.forward_mode.dual import Dual
from narrows.forward_mode.layer_product import layer_product
from narrows.gates.along_all import AlongAll, ProductAlongAll
from narrows.gates.at_one import AtOne
from narrows.graph.network import Network


@dataclass(frozen=True)
class Gate:
    """A gate on a value: `y = m · (u + bias) + shift`, channel by channel, at m = 1.

    The channels lie along dimension `axis` of the value, samples along `batch_axis` (None: it is
    not known). `u` is a layer's product without bias, `bias` and `shift` have shape [width],
    `shift` comes from a folded batch norm, and with `bounds` a folded ReLU or clamp comes last.
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
    bounds: tuple[float, float] | None = None

    @property
    def width(self) -> int:
        """The number of channels."""
        return self.direction.shape[0]

    @cached_property
    def gates_all(self) -> bool:
        """Whether every channel belongs to a structure."""
        return bool(self.direction.all())

    def along_channels(self, vector: Tensor, rank: int) -> Tensor:
        """View a vector [width] so that it broadcasts over a value of `rank` dimensions.

        >>> none = torch.empty(0)
        >>> Gate(1, 0, none, none).along_channels(torch.ones(3), rank=4).shape
        torch.Size([3, 1, 1])
        """
        return vector.view(-1, *(1,) * (rank - 1 - self.axis))


def gate_on(
    network: Network,
    structures: NDArray[np.int64],
    axis: int,
    batch_axis: int | None,
    **taken_in: Any,
) -> Gate:
    """Return a gate on channels of these structures [width], on the device of the network.

    `taken_in` are the bias, shift and bounds of a folded call.

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
    """The gate of one call during one batch: m and its tangent, float64 of shape [2, width].

    `both` requires a gradient.
    """

    both: Tensor
    structures: Tensor


def leaf_of(gate: Gate) -> Leaf:
    """Return the gate's m and its tangent for one batch, both 1 and differentiable.

    >>> leaf_of(Gate(1, 0, torch.ones(2), torch.tensor([0, 1]))).both.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    device = gate.direction.device
    ones = torch.ones(2, gate.width, dtype=torch.float64, device=device, requires_grad=True)
    return Leaf(ones, gate.structures)


def run_along_all(gate: Gate, leaf: Leaf, op: str, arguments: dict[str, Any]) -> Dual:
    """Gate an operator's result `u`; return it with its derivative along all structures.

    That is `y = m u`, `ẏ = m u̇ + ṁ u` at m = ṁ = 1.

    >>> gate = Gate(1, 0, torch.tensor([1.0, 0.0]), torch.tensor([0, NO_STRUCTURE]))
    >>> y = run_along_all(gate, leaf_of(gate), "alias", {"self": torch.tensor([[3.0, 5.0]])})
    >>> y.value.tolist(), y.tangent.tolist()
    ([[3.0, 5.0]], [[3.0, 0.0]])
    """
    if (product := layer_product(op, arguments)) is not None:
        multiply: Callable[..., Tensor] = ProductAlongAll.apply
        return Dual(multiply(arguments["input"].both, leaf.both, gate, product))
    u = rules.run(op, arguments)
    run: Callable[..., Tensor] = AlongAll.apply
    dual = isinstance(u, Dual)
    return Dual(run(u.both if dual else u, leaf.both, gate, dual))


def read_gate(gate: Gate, m: Tensor, u: Tensor) -> Tensor:
    """Return what `multiply` does at m = 1, [samples, width], with the gradient of m.

    Raises MixedSamplesError where no dimension of `u` tells samples apart.

    >>> gate = Gate(1, 0, torch.ones(2), torch.tensor([0, 1]))
    >>> m = torch.ones(1, 2, requires_grad=True)
    >>> torch.autograd.grad(read_gate(gate, m, torch.tensor([[3.0, 5.0]])).sum(), m)
    (tensor([[3., 5.]]),)
    """
    samples = m.shape[0]
    if samples > 1 and (gate.batch_axis is None or u.shape[gate.batch_axis] % samples):
        raise MixedSamplesError
    run: Callable[..., Tensor] = AtOne.apply
    return run(u, m, gate)


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
    return value if gate.bounds is None else value.clamp(*gate.bounds)


class MixedSamplesError(ValueError):
    """The error for a gated value without a dimension that tells samples apart."""

    def __init__(self) -> None:
        super().__init__(
            "the program, exported for one size of batch, mixes its samples; export it with a "
            "dynamic batch, or choose the method 'sosp_h'"
        )
