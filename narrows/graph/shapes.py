"""The shape of every value of a network, found by running it on tensors without data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from narrows.graph.network import Network, named_results, run_node
from narrows.graph.node import Input, Node

FREE_BATCH = 2
"""The batch that stands for a free first dimension: not 1, which would broadcast."""
FREE_SIZE = 32
"""The size that stands for any other free dimension where no data says better."""


@dataclass(frozen=True)
class Shapes:
    """Sizes by value name, for one batch of `batch` samples."""

    values: Mapping[str, tuple[int, ...]]
    batch: int

    def of(self, name: str) -> tuple[int, ...]:
        return self.values[name]


def input_shapes(network: Network) -> list[tuple[int, ...]]:
    """Return a shape for each input, with stand-ins for its free dimensions."""
    batch = _batch_symbol(network.inputs[0])

    def size(dimension: int | str) -> int:
        if isinstance(dimension, int):
            return dimension
        return FREE_BATCH if dimension == batch else FREE_SIZE

    return [tuple(map(size, spec.shape)) for spec in network.inputs]


def _batch_symbol(spec: Input) -> str | None:
    first = spec.shape[0] if spec.shape else None
    return first if isinstance(first, str) else None


def trace_shapes(network: Network, inputs: Sequence[tuple[int, ...]] | None = None) -> Shapes:
    """Run the program on meta tensors of these input shapes; nothing is computed.

    Raises ValueError or RuntimeError, with the operator's own words, where shapes don't fit.
    """
    shapes = input_shapes(network) if inputs is None else list(inputs)
    blank = network.map_tensors(lambda tensor: torch.empty_like(tensor, device="meta"))
    values = {leaf: tuple(blank.tensors[name].shape) for leaf, name in blank.leaves.items()}
    values |= {spec.name: shape for spec, shape in zip(network.inputs, shapes, strict=True)}

    def record(index: int, node: Node, arguments: dict[str, Any]) -> Any:
        result = run_node(index, node, arguments)
        for name, value in named_results(node, result).items():
            if isinstance(value, Tensor):
                values[name] = tuple(value.shape)
        return result

    with torch.device("meta"):  # where tensors made from nothing go
        blanks = (
            torch.empty(shape, dtype=spec.dtype)
            for spec, shape in zip(network.inputs, shapes, strict=True)
        )
        blank.execute(*blanks, call=record)
    return Shapes(values, shapes[0][0])


def batch_axes(network: Network, shapes: Shapes) -> dict[str, int]:
    """Return for each value the one dimension that grows with the batch, where there is one.

    Where the program takes batches of one size only, it is taken to be the first.
    """
    if network.fixed_batch is not None:
        return {n: 0 for n, s in shapes.values.items() if s and s[0] % shapes.batch == 0}
    wider = [
        tuple(
            size + 1 if dim == _batch_symbol(network.inputs[0]) else size
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
