"""Gates: a factor of one on every channel of every structure, placed on activations.

Scaling the weights that go into a channel scales the channel before anything else happens to it. So
derivatives along weights become derivatives along gates, and no weight gradient is ever computed.

See docs/method.md, "Gates".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from narrows.channels.structures import Channels
from narrows.forward_mode import rules
from narrows.gates.call import Gate, Leaf, apply_gate, leaf_of, multiply
from narrows.gates.on_layers import gate_layers
from narrows.gates.on_reads import gate_reads
from narrows.graph import operators
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.graph.shapes import Shapes, trace_shapes
from narrows.vocabulary import GateKind


@dataclass(frozen=True, eq=False)
class GatedNetwork:
    """A network of which node i is gated by `gates[i]`; `original` is the one without gates."""

    original: Network
    channels: Channels
    network: Network
    gates: Mapping[int, Gate]

    @property
    def structures(self) -> int:
        """S, the number of structures."""
        return len(self.channels)

    def along_all(self, *inputs: Tensor) -> tuple[Any, list[Leaf]]:
        """Run a batch with every value's derivative along θ_struc; return the output and gates."""
        leaves: list[Leaf] = []

        def gated(gate: Gate, result: Any) -> Any:
            leaves.append(leaf := leaf_of(gate))
            return apply_gate(gate, leaf, result)

        return self._run(inputs, rules.run, gated), leaves

    def at(self, m: Tensor, *inputs: Tensor) -> Tensor:
        """Run a batch at gates `m` [samples or 1, S]; differentiable along m.

        Raises MixedSamplesError where samples have gates of their own, and a gated value has no
        dimension that tells samples apart.
        """
        m = torch.cat([m, m.new_ones(len(m), 1)], 1)  # NO_STRUCTURE is the index of the last

        def gated(gate: Gate, result: Tensor) -> Tensor:
            return multiply(gate, m[:, gate.structures], result)

        output: Tensor = self._run(inputs, operators.run, gated)
        return output

    def _run(self, inputs: tuple[Tensor, ...], run: Any, gated: Any) -> Any:
        """Return the first output, which the loss is taken of."""

        def call(index: int, node: Node, arguments: dict[str, Any]) -> Any:
            result = run(node.op, arguments)
            return gated(self.gates[index], result) if index in self.gates else result

        with inputs[0].device:  # where tensors made from nothing go
            return self.network.execute(*inputs, call=call)[0]


def gate(
    network: Network, channels: Channels, kind: GateKind = "weights", shapes: Shapes | None = None
) -> GatedNetwork:
    """Place a gate wherever a channel of a structure is made, or wherever it is read."""
    shapes = shapes or trace_shapes(network)
    place = gate_layers if kind == "weights" else gate_reads
    gated, gates = place(network, channels, shapes)
    return GatedNetwork(network, channels, gated, gates)
