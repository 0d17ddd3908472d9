"""Channel groups without any rules: change one channel's numbers, and see what else changes.

A set of channels can be cut if, in every value of the program, the elements that they reach lie in
slices along one dimension that no other channel reaches, and if grouped convolutions keep equally
many channels, at the same places, in every group, or lose whole groups of what they read and make.
A structure is a smallest such set.
A channel reaches what changes with it while the outputs of all other layers, but for depthwise
ones, are held; what it reaches through the statistics of a norm does not count.
"""

from collections.abc import Collection, Mapping
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.channels.structures import Channels, Layer
from narrows.graph import operators
from narrows.graph.network import Network
from narrows.graph.node import Node, as_ref
from narrows.graph.values import named_results

Channel = tuple[str, int]
"""A layer's name and the index of its channel."""
Mask = NDArray[np.bool_]

NORMS = ("layer_norm", "native_layer_norm", "rms_norm", "group_norm", "native_group_norm")


class Perturbation:
    """What each channel of each layer reaches, by running a network on a batch."""

    def __init__(self, network: Network, channels: Channels, *inputs: Tensor) -> None:
        self.network, self.inputs = network, inputs
        self.normalized = channels.normalized
        self.layers: dict[int, Layer] = {i: a for a in channels.layers for i in a.nodes}
        self.clean = self._run({})
        self.reached: dict[Channel, dict[str, Mask]] = {
            (layer.name, c): self._reached(layer, c)
            for layer in channels.layers
            for c in range(layer.width)
        }

    def slices(self, chosen: Collection[Channel]) -> dict[str, tuple[int, Mask]] | None:
        """Return the dimension and the indices of each value that go with these channels.

        None: they can't be cut.
        """
        result: dict[str, tuple[int, Mask]] = {}
        for name in dict.fromkeys(name for channel in chosen for name in self.reached[channel]):
            taken = sum(
                self.reached[c][name].astype(int) for c in chosen if name in self.reached[c]
            )
            cut = _slice(np.asarray(taken) > 0, self._times[name] > taken)
            if cut is None:
                return None
            result[name] = cut
        grouped = [node for node in self.network.nodes if "groups" in node.inputs]
        return result if all(self._keeps_groups(node, result) for node in grouped) else None

    @cached_property
    def _times(self) -> dict[str, NDArray[np.int64]]:
        """Count for each element of each value the channels that reach it."""
        times: dict[str, NDArray[np.int64]] = {}
        for name, mask in chain.from_iterable(masks.items() for masks in self.reached.values()):
            times[name] = times.get(name, np.zeros(mask.shape, np.int64)) + mask
        return times

    def _keeps_groups(self, node: Node, cuts: Mapping[str, tuple[int, Mask]]) -> bool:
        groups = node.inputs.get("groups", 1)
        shuffles = node.op == "channel_shuffle"
        if not isinstance(groups, int) or (not shuffles and self._is_depthwise(node)):
            return True
        values = [as_ref(node.inputs["self" if shuffles else "input"]).name]
        values += [] if shuffles else [node.outputs[0] or ""]
        indices = [cuts[name][1].reshape(groups, -1) for name in values if name in cuts]
        if all((taken == taken[:1]).all() for taken in indices):
            return True
        whole = all((taken == indices[0][:, :1]).all() for taken in indices)
        return whole and len(indices) == 2

    def _is_depthwise(self, node: Node) -> bool:
        groups = node.inputs.get("groups", 1)
        return 1 < self.clean[as_ref(node.inputs["input"]).name].shape[1] == groups

    def _reached(self, layer: Layer, channel: int) -> dict[str, Mask]:
        changed = self._run(dict.fromkeys(layer.nodes, channel))
        reached = {}
        for name, value in changed.items():
            mask = (value != self.clean[name]).numpy()
            if mask.any():
                reached[name] = mask
        return reached

    def _run(self, noisy: Mapping[int, int]) -> dict[str, Tensor]:
        """Run the program with noise on one channel; hold all other layers where there is some."""
        network = self.network
        values: dict[str, Any] = {n: network.tensors[t] for n, t in network.leaves.items()}
        values |= {x.name: value for x, value in zip(network.inputs, self.inputs, strict=True)}
        noise = torch.Generator().manual_seed(0)

        def call(index: int, node: Node, arguments: dict[str, Any]) -> Any:
            is_layer = index in self.layers
            is_conv = node.op.startswith("conv")
            statistic = node.outputs[0] in self.normalized and node.op not in NORMS
            if noisy and (statistic or (is_layer and not (is_conv and self._is_depthwise(node)))):
                result: Any = self.clean[node.outputs[0] or ""]
            else:
                result = _smooth(node, arguments)
            if index in noisy:
                result = result.clone()
                part = result.select(1 if is_conv else -1, noisy[index])
                part += torch.randn(part.shape, generator=noise, dtype=part.dtype)
            values.update(named_results(node, result))
            return result

        network.execute(*self.inputs, call=call)
        return {k: v for k, v in values.items() if isinstance(v, Tensor)}


def _smooth(node: Node, arguments: dict[str, Any]) -> Any:
    """Run a call; norms go without their statistics, and ReLUs let everything through."""
    if node.op == "relu":
        return arguments["self"].tanh()
    if node.op not in NORMS:
        return operators.run(node.op, arguments)
    x: Tensor = arguments["input"]
    shape = [1, -1, *(1,) * (x.dim() - 2)] if "normalized_shape" not in arguments else [-1]
    for name in ("weight", "bias"):
        vector = arguments.get(name)
        if vector is not None:
            x = x * vector.view(shape) if name == "weight" else x + vector.view(shape)
    return (x, None, None) if node.op.startswith("native") else x


def _slice(taken: Mask, kept: Mask) -> tuple[int, Mask] | None:
    """Return a dimension, and the indices along it, that hold all that goes and nothing kept."""
    for dim in range(taken.ndim):
        others = tuple(d for d in range(taken.ndim) if d != dim)
        along: Mask = np.asarray(taken.any(others))
        if not along.all() and not (kept.any(others) & along).any():
            return dim, along
    return None
