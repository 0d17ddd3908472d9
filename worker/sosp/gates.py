"""Gates: a factor of one on every channel of every structure, placed on activations (METHOD §2).

Scaling the weights that go into a channel scales the channel before anything else happens to it. So
derivatives along weights become derivatives along gates, and no weight gradient is ever computed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from worker.sosp import dual_numbers
from worker.sosp.channels import NO_STRUCTURE, Channels
from worker.sosp.dual_numbers import Dual, along_channels, batch_norm_map
from worker.sosp.network import Network, Node, bind, resolve


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
                    leaves.append(leaf := _leaf(gate))
                    result = Dual(_apply(gate, leaf, node.op, result))
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


def _leaf(gate: Gate) -> Leaf:
    ones = torch.ones_like(gate.direction, dtype=torch.float64)
    return Leaf(ones.requires_grad_(), ones.clone().detach().requires_grad_(), gate.structures)


def _apply(gate: Gate, leaf: Leaf, op: str, u: Dual | Tensor) -> Tensor:
    dual = isinstance(u, Dual)
    both = u.both if isinstance(u, Dual) else u
    apply: Callable[..., Tensor] = _ApplyGate.apply
    return apply(both, leaf.value, leaf.tangent, gate, op, dual)


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
    if op == "linear":
        per_sample = (a * b).reshape(a.shape[0], -1, a.shape[-1]).sum(1)
    else:
        per_sample = torch.linalg.vecdot(a.flatten(2), b.flatten(2))
    return per_sample.sum(0, dtype=torch.float64)
