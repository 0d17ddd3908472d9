"""Gates: a factor of one on every channel of every structure, applied to activations.

To scale the weights that go into a channel is to scale the channel itself. So derivatives along
weights become derivatives along gates, and no gradient along weights is ever computed.

Two neurons that add 1·x and 2·x to the output are `f(x) = m₁·1·x + m₂·2·x` with gates. Without the
second:

>>> from narrows.example import gated_neurons
>>> gated_neurons().at(torch.tensor([[1.0, 0.0]]), torch.tensor([[10.0]]))
tensor([[10.]])

See docs/method.md, "Gates".
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from narrows.channels.structures import Channels
from narrows.forward_mode import rules
from narrows.forward_mode.dual import Arguments, Dual
from narrows.gates.call import Gate, Leaf, leaf_of, multiply, read_gate, run_along_all
from narrows.gates.on_layers import gate_layers
from narrows.gates.on_reads import gate_reads
from narrows.graph import first_derivatives, operators
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.vocabulary import GateKind


@dataclass(frozen=True, eq=False)
class GatedNetwork:
    """A network with gates: `gates[i]` is on the result of node i of `network`.

    `original` is the network without gates.
    """

    original: Network
    channels: Channels
    network: Network
    gates: Mapping[int, Gate]

    @property
    def structures(self) -> int:
        """S, the number of structures."""
        return len(self.channels)

    def along_all(self, *inputs: Tensor) -> tuple[Any, list[Leaf]]:
        """Run a batch with every value's derivative along θ_struc; return the output and gates.

        The output is Dual, or a tensor where no structure reaches it. For the two neurons, ∂f/∂m is
        (x, 2x), so the derivative along both gates is 3x:

        >>> from narrows.example import gated_neurons
        >>> output, leaves = gated_neurons().along_all(torch.tensor([[10.0]]))
        >>> output.value.item(), output.tangent.item(), len(leaves)
        (30.0, 30.0, 1)
        """
        leaves: list[Leaf] = []

        def gated(gate: Gate, op: str, arguments: Arguments) -> Dual:
            leaves.append(leaf := leaf_of(gate))
            return run_along_all(gate, leaf, op, arguments)

        return self._run(inputs, rules.run, gated), leaves

    def at(self, m: Tensor, *inputs: Tensor) -> Tensor:
        """Run a batch at gates `m` [samples or 1, S]; differentiable along m.

        Raises MixedSamplesError where samples have gates of their own, and a gated value has no
        dimension that tells samples apart. Below, each sample is without one of the neurons:

        >>> from narrows.example import gated_neurons
        >>> gated_neurons().at(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [1.0]]))
        tensor([[1.],
                [2.]])
        """
        m = torch.cat([m, m.new_ones(len(m), 1)], 1)  # NO_STRUCTURE is the index of the last

        def gated(gate: Gate, op: str, arguments: Arguments) -> Tensor:
            return multiply(gate, m[:, gate.structures], operators.run(op, arguments))

        output: Tensor = self._run(inputs, operators.run, gated)
        return output

    def at_one(self, *inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Run a batch at m = 1; return the output and each gate's m [samples, width], to derive by.

        A sample has gates of its own. The derivatives are those of `at`, in less time. Raises
        MixedSamplesError where a gated value has no dimension that tells samples apart. For the two
        neurons, ∂f/∂m is (x, 2x):

        >>> from narrows.example import gated_neurons
        >>> output, leaves = gated_neurons().at_one(torch.tensor([[10.0], [1.0]]))
        >>> torch.autograd.grad(output.sum(), leaves)
        (tensor([[10., 20.],
                [ 1.,  2.]]),)
        """
        leaves: list[Tensor] = []
        samples = len(inputs[0])

        def gated(gate: Gate, op: str, arguments: Arguments) -> Tensor:
            leaves.append(m := gate.direction.new_ones(samples, gate.width))
            return read_gate(gate, m.requires_grad_(), first_derivatives.run(op, arguments))

        output: Tensor = self._run(inputs, first_derivatives.run, gated)
        return output, leaves

    def by_structure(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return the sums [samples, S] of the gradients of the gates' m by structure."""
        of_channels = torch.cat(list(gradients), 1)
        sums = of_channels.new_zeros(len(of_channels), self.structures + 1)
        return sums.index_add_(1, self._columns, of_channels)[:, :-1]

    @cached_property
    def _columns(self) -> Tensor:
        """The structure of each gate's channels, or S, so that one column more takes the others."""
        structures = torch.cat([gate.structures for gate in self.gates.values()])
        return structures % (self.structures + 1)  # NO_STRUCTURE is −1

    def _run(self, inputs: tuple[Tensor, ...], run: Any, gated: Any) -> Any:
        """Return the first output; the loss is computed on it."""

        def call(index: int, node: Node, arguments: Arguments) -> Any:
            if index in self.gates:
                return gated(self.gates[index], node.op, arguments)
            return run(node.op, arguments)

        device = inputs[0].device  # also that of tensors without inputs, such as of `zeros`
        # a device as context slows down every call of torch
        with nullcontext() if device == torch.get_default_device() else device:
            return self.network.execute(*inputs, call=call)[0]


def gate(
    network: Network, channels: Channels, kind: GateKind = "weights", shapes: Shapes | None = None
) -> GatedNetwork:
    """Return the network with a gate wherever a structure's channel is made, or where it is read.

    `weights`: on the layer's own output, as the paper's θ_s. `channel`: where calls sum over the
    channel. `shapes` are by default those of `trace_shapes(network)`. The gated values are:

    >>> from narrows.example import gated_neurons
    >>> for kind in ("weights", "channel"):
    ...     gated = gated_neurons(kind)
    ...     print(kind, [gated.network.nodes[i].outputs for i in gated.gates])
    weights [('h',)]
    channel [('h·1',)]

    See docs/method.md, "Where the gate sits".
    """
    shapes = shapes or trace_shapes(network)
    add_gates = gate_layers if kind == "weights" else gate_reads
    gated, gates = add_gates(network, channels, shapes)
    return GatedNetwork(network, channels, gated, gates)
