"""The shape of every value of a network, from a run on tensors without data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from narrows.graph.blank import run_blank
from narrows.graph.network import Network
from narrows.graph.node import Node
from narrows.graph.values import named_results

FREE_BATCH = 2
"""The size used for a free batch dimension: not 1, which would broadcast."""
FREE_SIZE = 32
"""The size used for any other free dimension where no data give one."""


@dataclass(frozen=True)
class Shapes:
    """Sizes by value name, for one batch of `batch` samples."""

    values: Mapping[str, tuple[int, ...]]
    batch: int

    def of(self, name: str) -> tuple[int, ...]:
        """Return the shape of the value `name`."""
        return self.values[name]


def input_shapes(network: Network) -> list[tuple[int, ...]]:
    """Return a shape for each input, with `FREE_BATCH` and `FREE_SIZE` for free dimensions.

    The first dimension of each input counts the samples.

    >>> from narrows.example import two_neurons
    >>> input_shapes(two_neurons()[0])  # the input is ("batch", 1)
    [(2, 1)]
    """
    batch = _batch_symbols(network)

    def size(dimension: int | str) -> int:
        if isinstance(dimension, int):
            return dimension
        return FREE_BATCH if dimension in batch else FREE_SIZE

    return [tuple(map(size, spec.shape)) for spec in network.inputs]


def _batch_symbols(network: Network) -> set[str]:
    """Return the symbols of the batch: inputs that never meet may have one each."""
    firsts = (spec.shape[0] for spec in network.inputs if spec.shape)
    return {first for first in firsts if isinstance(first, str)}


def trace_shapes(network: Network, inputs: Sequence[tuple[int, ...]] | None = None) -> Shapes:
    """Return the shape of every value for these input shapes, by default `input_shapes`.

    The program runs on meta tensors, so no number is computed. Raises ValueError or RuntimeError,
    with the operator's own message, where shapes do not fit.

    >>> from narrows.example import two_neurons
    >>> trace_shapes(two_neurons()[0], [(7, 1)])  # of x, h, y; w and v are the weights
    Shapes(values={'w': (2, 1), 'v': (1, 2), 'x': (7, 1), 'h': (7, 2), 'y': (7, 1)}, batch=7)
    """
    shapes = input_shapes(network) if inputs is None else list(inputs)
    blank = network.map_tensors(lambda tensor: torch.empty_like(tensor, device="meta"))
    values = {leaf: tuple(blank.tensors[name].shape) for leaf, name in blank.leaves.items()}
    values |= {spec.name: shape for spec, shape in zip(network.inputs, shapes, strict=True)}

    def record(index: int, node: Node, arguments: dict[str, Any]) -> Any:
        result = run_blank(index, node, arguments)
        for name, value in named_results(node, result).items():
            if isinstance(value, Tensor):
                values[name] = tuple(value.shape)
        return result

    with torch.device("meta"):  # the device of tensors without inputs, such as of `zeros`
        blanks = (
            torch.empty(shape, dtype=spec.dtype)
            for spec, shape in zip(network.inputs, shapes, strict=True)
        )
        blank.execute(*blanks, call=record)
    return Shapes(values, shapes[0][0])


def batch_axes(network: Network, shapes: Shapes) -> dict[str, int]:
    """Return for each value the dimension that grows with the batch, if exactly one does.

    Where the program takes batches of one size only, that is the first dimension, if its size is a
    multiple of the batch.

    >>> from narrows.example import two_neurons
    >>> network, shapes, _ = two_neurons()
    >>> batch_axes(network, shapes)  # not w and v, the weights
    {'x': 0, 'h': 0, 'y': 0}
    """
    if network.fixed_batch is not None:
        return {n: 0 for n, s in shapes.values.items() if s and s[0] % shapes.batch == 0}
    batch = _batch_symbols(network)
    wider = [
        tuple(
            size + 1 if dim in batch else size
            for size, dim in zip(shapes.of(spec.name), spec.shape, strict=True)
        )
        for spec in network.inputs
    ]
    others = trace_shapes(network, wider).values
    axes = {}
    for name, shape in shapes.values.items():
        changed = [d for d, (a, b) in enumerate(zip(shape, others[name], strict=True)) if a != b]
        if len(changed) == 1:
            axes[name] = changed[0]
    return axes
