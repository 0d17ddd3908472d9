"""Gates: a factor of one on every channel of every structure, placed on activations (METHOD §2).

Scaling the weights that go into a channel scales the channel before anything else happens to it. So
derivatives along weights become derivatives along gates, and no weight gradient is ever computed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from worker.sosp import dual_numbers
from worker.sosp.channels import NO_STRUCTURE, Channels
from worker.sosp.dual_numbers import batch_norm_map
from worker.sosp.gated_call import Gate, Leaf, apply_gate, leaf_of
from worker.sosp.network import Network, Node, bind, resolve


@dataclass(frozen=True)
class GatedNetwork:
    """A network of which node i is gated by `gates[i]`."""

    network: Network
    gates: Mapping[int, Gate]

    def __call__(self, *inputs: Tensor) -> tuple[list[Any], list[Leaf]]:
        """Run a batch with every value's derivative along θ_struc; return outputs and gates."""
        network, leaves = self.network, []
        environment = network.environment(*inputs)
        with inputs[0].device:  # where tensors made from nothing go
            for index, (node, dead) in enumerate(
                zip(network.nodes, network.last_reads, strict=True)
            ):
                result = dual_numbers.run(node.op, resolve(environment, node))
                if gate := self.gates.get(index):
                    leaves.append(leaf := leaf_of(gate))
                    result = apply_gate(gate, leaf, node.op, result)
                bind(environment, node, result)
                for name in dead:
                    del environment[name]
        return [environment[name] for name in network.outputs], leaves


def gate(network: Network, channels: Channels) -> GatedNetwork:
    """Place a gate on every call of a layer that has structures.

    The gate sits where the paper's θ_s acts: on the layer's own output, before the batch norm. That
    norm and a ReLU behind it become part of the gated call where nothing else reads in between.
    """
    structures = {
        index: torch.from_numpy(layer.structures)
        for layer in channels.layers
        for index in layer.nodes
        if (layer.structures != NO_STRUCTURE).any()
    }
    readers = _readers(network)
    nodes: list[Node] = []
    gates: dict[int, Gate] = {}
    folded: set[int] = set()
    for index, node in enumerate(network.nodes):
        if index in structures:
            chain = list(_chain(network, readers, index))
            folded.update(chain)
            call, gates[len(nodes)] = _gate_call(network, node, chain, structures[index])
            nodes.append(call)
        elif index not in folded:
            nodes.append(node)
    return GatedNetwork(replace(network, nodes=tuple(nodes)), gates)


def _gate_call(
    network: Network, node: Node, chain: list[int], structures: Tensor
) -> tuple[Node, Gate]:
    """Return the call without its bias and the gate that takes over bias, norm and ReLU."""
    tensors = resolve(_Tensors(network), node)
    weight, bias, shift = tensors["weight"], tensors.get("bias"), None
    behind = [network.nodes[index] for index in chain]
    for norm in (follower for follower in behind if follower.op == "batch_norm"):
        scale, shift = batch_norm_map(resolve(_Tensors(network), norm))
        weight = weight * scale.view(-1, *(1,) * (weight.dim() - 1))
        bias = None if bias is None else bias * scale
    gate = Gate(
        bias=bias,
        shift=shift,
        relu=any(follower.op == "relu" for follower in behind),
        direction=(structures != NO_STRUCTURE).to(weight),
        structures=structures.to(weight.device),
    )
    inputs = {**node.inputs, "weight": weight, "bias": None}
    return replace(node, inputs=inputs, outputs=[node, *behind][-1].outputs), gate


class _Tensors(dict[str, Any]):
    """The named tensors by value name; None for values that only a run would know."""

    def __init__(self, network: Network) -> None:
        super().__init__((v, network.tensors[name]) for v, name in network.leaves.items())

    def __missing__(self, key: str) -> None:
        return None


def _readers(network: Network) -> dict[str, list[int]]:
    readers: dict[str, list[int]] = {name: [-1] for name in network.outputs}  # read by the caller
    for index, node in enumerate(network.nodes):
        for name in node.references():
            readers.setdefault(name, []).append(index)
    return readers


def _chain(network: Network, readers: Mapping[str, list[int]], index: int) -> Iterator[int]:
    """Yield the batch norm and the ReLU, or the one of them, that alone read call `index`."""
    foldable = ["batch_norm", "relu"] if network.nodes[index].op.startswith("conv") else ["relu"]
    while foldable:
        (result,) = network.nodes[index].outputs
        match readers.get(result or "", []):
            case [reader] if reader >= 0 and network.nodes[reader].op in foldable:
                node = network.nodes[reader]
                if node.op == "batch_norm" and node.inputs.get("running_mean") is None:
                    return
                foldable = foldable[foldable.index(node.op) + 1 :]
                index = reader
                yield index
            case _:
                return
