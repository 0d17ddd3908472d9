"""Gates on a layer's own output, before the batch norm: the paper's θ_s.

See docs/method.md, "Gates".
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

from narrows.channels.structures import NO_STRUCTURE, Channels
from narrows.gates.call import Gate, gate_on
from narrows.graph.constants import KnownTensors
from narrows.graph.layer_ops import channel_axis, scale_channels
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.graph.normalization import batch_norm_map
from narrows.graph.shapes import Shapes, batch_axes
from narrows.graph.values import arguments_of

BATCH_NORMS = ("batch_norm", "_native_batch_norm_legit_no_training")
"""Batch norms that a gated convolution includes; the second, of core ATen, has three results."""
CLAMPS = ("relu", "relu6", "hardtanh")
"""Piecewise linear activations that a gated call includes."""


def gate_layers(
    network: Network, channels: Channels, shapes: Shapes
) -> tuple[Network, dict[int, Gate]]:
    """Return the network with a gate on every call of a layer that has structures.

    Returned are the network and its gates by the index of the gated node. A batch norm and a ReLU
    behind a call become part of the gated call where nothing else reads the values in between.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> gated, gates = gate_layers(network, channels, shapes)
    >>> {gated.nodes[index].module: gate.structures for index, gate in gates.items()}
    {'hidden': tensor([0, 1])}

    See docs/method.md, "Where the gate sits".
    """
    layers = {
        index: layer
        for layer in channels.layers
        for index in layer.nodes
        if (layer.structures != NO_STRUCTURE).any()
    }
    axes, known = batch_axes(network, shapes), KnownTensors(network)
    nodes: list[Node] = []
    gates: dict[int, Gate] = {}
    folded: set[int] = set()
    for index, node in enumerate(network.nodes):
        if index in layers:
            chain = list(_chain(network, index))
            folded.update(chain)
            result = str(node.outputs[0])
            axis = channel_axis(node.op) % len(shapes.of(result))
            call, taken_in = _gate_call(network, known, node, chain)
            structures = layers[index].structures
            gates[len(nodes)] = gate_on(network, structures, axis, axes.get(result), **taken_in)
            nodes.append(call)
        elif index not in folded:
            nodes.append(node)
    return replace(network, nodes=tuple(nodes)), gates


def _gate_call(
    network: Network, known: KnownTensors, node: Node, chain: list[int]
) -> tuple[Node, dict[str, Any]]:
    """Return the call without its bias, and the bias, norm and clamp that the gate takes in."""
    tensors = arguments_of(known, node)
    bias, shift = tensors.get("self" if node.op == "addmm" else "bias"), None
    inputs = dict(node.inputs)
    behind = [network.nodes[index] for index in chain]
    for norm in (follower for follower in behind if follower.op in BATCH_NORMS):
        scale, shift = batch_norm_map(arguments_of(known, norm))
        inputs["weight"] = scale_channels(node.op, tensors, scale)
        bias = None if bias is None else bias * scale
    bounds = next((bounds_of(follower) for follower in behind if follower.op in CLAMPS), None)
    op = node.op
    if op == "addmm":  # its bias is the first argument
        op, inputs = "mm", {"self": inputs["mat1"], "mat2": inputs["mat2"]}
    elif "bias" in inputs:
        inputs["bias"] = None
    taken_in = {"bias": bias, "shift": shift, "bounds": bounds}
    outputs = ([node, *behind][-1].outputs[0],)
    return replace(node, op=op, inputs=inputs, outputs=outputs), taken_in


def bounds_of(clamp: Node) -> tuple[float, float]:
    """Return the least and the largest result of an operator of `CLAMPS`.

    >>> bounds_of(Node("hardtanh", {"max_val": 2.0}, ("y",), ""))
    (-1.0, 2.0)
    """
    least, largest = {"relu": (0.0, inf), "relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0)}[clamp.op]
    options: dict[str, Any] = dict(clamp.inputs)
    return float(options.get("min_val", least)), float(options.get("max_val", largest))


def _is_fixed(network: Network, norm: Node, source: str) -> bool:
    """Tell whether the statistics and weights that a norm applies to `source` are named tensors."""
    others = (name for name in norm.references() if name != source)
    return norm.inputs.get("running_mean") is not None and all(n in network.leaves for n in others)


def _chain(network: Network, index: int) -> Iterator[int]:
    """Yield the batch norm and the ReLU behind call `index`, if each is the only reader."""
    conv = network.nodes[index].op.startswith("conv")
    foldable: tuple[str, ...] = (*BATCH_NORMS, *CLAMPS) if conv else CLAMPS
    while foldable:
        result = network.nodes[index].outputs[0]
        match network.readers.get(result or "", []):
            case [reader] if reader >= 0 and network.nodes[reader].op in foldable:
                node = network.nodes[reader]
                if node.op in BATCH_NORMS and not _is_fixed(network, node, str(result)):
                    return
                foldable = CLAMPS if node.op in BATCH_NORMS else ()
                index = reader
                yield index
            case _:
                return
