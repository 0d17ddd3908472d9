"""Runs of a network with some of its channels at zero wherever they are read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.channels.contractions import sums
from narrows.channels.labels import Labels
from narrows.graph import operators
from narrows.graph.network import Network, run_node
from narrows.graph.node import Node
from narrows.graph.shapes import Shapes
from narrows.graph.values import arguments_of, named_arguments
from narrows.surgery.channel_counts import ChannelCounts
from narrows.surgery.function_preserving import is_uneven_norm
from narrows.surgery.literals import adapt

Mask = list[tuple[int, Tensor]]
"""Dimensions of a value, each with True or False for every index: whether a reader sees it."""


def masks_of(
    network: Network, counts: ChannelCounts, kept: Callable[[Labels], NDArray[np.bool_]]
) -> dict[str, Mask]:
    """Return a mask for each computed value: `kept(labels)` along each dimension that changes.

    >>> from narrows.example import two_neurons
    >>> network, shapes, channels = two_neurons()
    >>> counts = ChannelCounts(channels, shapes, np.array([1, 0]))  # the second neuron is cut
    >>> masks = masks_of(network, counts, lambda labels: counts.times(labels) > 0)
    >>> masks["h"], masks["y"]
    ([(1, tensor([ True, False]))], [])
    >>> run_masked(network, [torch.ones(1, 1).double()], masks)  # 1 of 1 + 2
    (tensor([[1.]], dtype=torch.float64),)
    """
    computed = {name for node in network.nodes for name in node.outputs if name}
    return {
        value: [
            (axis, torch.from_numpy(kept(labels)))
            for axis, labels in enumerate(counts.dims(value))
            if labels is not None and counts.changes(labels)
        ]
        for value in computed
    }


def run_masked(
    network: Network,
    inputs: Sequence[Tensor],
    masks: Mapping[str, Mask],
    counts: ChannelCounts | None = None,
) -> tuple[Tensor, ...]:
    """Return the outputs in double precision, with masks wherever a call sums over channels.

    With `counts`, norms normalize over the channels of the resized network.
    """
    double = network.map_tensors(Tensor.cpu).map_dtypes(_double)

    def call(index: int, node: Node, arguments: dict[str, Any]) -> Any:
        values = named_arguments(node, arguments)
        if sums(node):
            masked = {name: _mask(values[name], masks[name]) for name in values if name in masks}
            values |= masked
        if counts is not None and is_uneven_norm(node, counts):
            return _norm_afterwards(node, values, counts)
        return run_node(index, node, arguments_of(values, node))

    with torch.no_grad():
        return double.execute(*inputs, call=call)


def run_in_single(network: Network, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the outputs in single precision, on the CPU.

    >>> from narrows.example import two_neurons
    >>> run_in_single(two_neurons()[0], [torch.ones(1, 1, dtype=torch.float64)])
    (tensor([[3.]]),)
    """
    single = network.map_tensors(Tensor.cpu).map_dtypes(_single)
    with torch.no_grad():
        return single(*(x.to(_single(x.dtype)) for x in inputs))


def _norm_afterwards(node: Node, values: Mapping[str, Any], counts: ChannelCounts) -> list[Any]:
    """Run a norm on the cut and copied channels; put its result back at the indices before."""
    read = dict(values)
    for name in read:
        for axis, index in _changed(counts, name):
            read[name] = read[name].index_select(axis, index)
    (*_, call) = adapt(node, counts)
    result = operators.run(call.op, arguments_of(read, call))
    first, *others = result if isinstance(result, tuple) else [result]
    output = node.outputs[0] or ""
    for axis, index in _changed(counts, output):
        shape = list(first.shape)
        shape[axis] = counts.shapes.of(output)[axis]
        first = first.new_zeros(shape).index_copy(axis, index, first)
    return [first, *others]


def _changed(counts: ChannelCounts, value: str) -> list[tuple[int, Tensor]]:
    return [
        (axis, torch.from_numpy(counts.sources(labels)[0]))
        for axis, labels in enumerate(counts.dims(value))
        if labels is not None and counts.changes(labels)
    ]


def _mask(value: Tensor, mask: Mask) -> Tensor:
    for axis, kept in mask:
        along = [-1 if i == axis else 1 for i in range(value.dim())]
        value = value.masked_fill(~kept.view(along), 0)
    return value


def _double(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype.is_floating_point else dtype


def _single(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype.is_floating_point else dtype


def random_inputs(network: Network, shapes: Shapes, seed: int) -> list[Tensor]:
    """Return normal numbers in float64 for floating-point inputs, and 0 or 1 for all others.

    >>> from narrows.example import two_neurons
    >>> network, shapes, _ = two_neurons()
    >>> [x.shape for x in random_inputs(network, shapes, seed=0)]
    [torch.Size([2, 1])]
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shapes.of(spec.name), generator=generator, dtype=torch.float64)
        if spec.dtype.is_floating_point
        else torch.randint(2, shapes.of(spec.name), generator=generator).to(spec.dtype)
        for spec in network.inputs
    ]
