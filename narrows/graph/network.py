"""A network as a straight-line program of ATen operators, always in eval mode.

See docs/architecture.md, "The network".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from narrows.graph import operators
from narrows.graph.node import Argument, Input, Node, Ref
from narrows.graph.output_tree import Nesting

Call: TypeAlias = Callable[[int, Node, dict[str, Any]], Any]
"""Computes a node: (its index, the node, its arguments by name) → its result or results."""


def run_node(_index: int, node: Node, arguments: dict[str, Any]) -> Any:
    """Compute a node by its operator."""
    return operators.run(node.op, arguments)


@dataclass(frozen=True)
class Network:
    """The program: operator calls in order over inputs and named tensors.

    `tensors` holds parameters, buffers and constants under the user's names, such as
    `layer1.0.bn1.weight`; `leaves` says which value of the program is which tensor; `parameters`
    names the trainable ones, `transient` those that no state dict holds (constants, buffers that
    don't persist), and `aliases` gives the other names of tied ones. `nesting` says how the
    module returned its outputs, where that is known; a call of the network returns them in a row.
    Calling a network runs it; batch norm is frozen and dropout off, whatever the export was.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    leaves: Mapping[str, str]
    parameters: frozenset[str]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    transient: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    nesting: Nesting | None = None

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the program on a batch; return its outputs."""
        return self.execute(*inputs)

    def execute(
        self, *inputs: Any, call: Call = run_node, tensors: Mapping[str, Any] | None = None
    ) -> tuple[Any, ...]:
        """Run the program on inputs of any kind; return its outputs.

        `call(index, node, arguments)` computes node `index` from its arguments, references being
        replaced by values; `tensors` stand in for the network's own. A value is dropped once
        nothing reads it any more.
        """
        stored = self.tensors if tensors is None else tensors
        values = {leaf: stored[name] for leaf, name in self.leaves.items()}
        values |= {spec.name: value for spec, value in zip(self.inputs, inputs, strict=True)}
        for index, (node, unread) in enumerate(zip(self.nodes, self.last_reads, strict=True)):
            result = call(index, node, arguments_of(values, node))
            values.update(named_results(node, result))
            for name in unread:
                del values[name]
        return tuple(values[name] for name in self.outputs)

    @cached_property
    def last_reads(self) -> tuple[tuple[str, ...], ...]:
        """For each node, the values that nothing reads after it: what can be freed."""
        last = {name: i for i, node in enumerate(self.nodes) for name in node.outputs if name}
        last |= {name: i for i, node in enumerate(self.nodes) for name in node.references()}
        freed: list[list[str]] = [[] for _ in self.nodes]
        for name, i in last.items():
            if name not in self.outputs and name not in self.leaves:
                freed[i].append(name)
        return tuple(map(tuple, freed))

    @cached_property
    def readers(self) -> Mapping[str, list[int]]:
        """The calls that read each value; -1 stands for the network's caller."""
        readers: dict[str, list[int]] = {name: [-1] for name in self.outputs}
        for index, node in enumerate(self.nodes):
            for name in node.references():
                readers.setdefault(name, []).append(index)
        return readers

    @cached_property
    def varying(self) -> frozenset[str]:
        """The values that depend on what is in the inputs, and not on their sizes alone."""
        varying = {spec.name for spec in self.inputs}
        for node in self.nodes:
            if node.op not in operators.SYMBOLIC and varying.intersection(node.references()):
                varying.update(filter(None, node.outputs))
        return frozenset(varying)

    @property
    def fixed_batch(self) -> int | None:
        """The size of batch that the program was exported for; None where it is free."""
        first = self.inputs[0].shape[0] if self.inputs[0].shape else None
        return first if isinstance(first, int) else None

    @property
    def precision(self) -> torch.dtype:
        """The floating-point number type of the tensors."""
        dtypes = (tensor.dtype for tensor in self.tensors.values())
        return next((d for d in dtypes if d.is_floating_point), torch.get_default_dtype())

    def map_tensors(self, function: Callable[[Tensor], Tensor]) -> "Network":
        """Return the same program over `function(tensor)`, for a move to a device or a dtype."""
        return replace(self, tensors={name: function(t) for name, t in self.tensors.items()})

    def map_dtypes(self, function: Callable[[torch.dtype], torch.dtype]) -> "Network":
        """Return the same program with every number type, wherever it stands, replaced."""

        def mapped(argument: Argument) -> Argument:
            return function(argument) if isinstance(argument, torch.dtype) else argument

        nodes = tuple(
            replace(node, inputs={name: mapped(item) for name, item in node.inputs.items()})
            for node in self.nodes
        )
        inputs = tuple(replace(spec, dtype=function(spec.dtype)) for spec in self.inputs)
        converted = self.map_tensors(lambda tensor: tensor.to(function(tensor.dtype)))
        return replace(converted, nodes=nodes, inputs=inputs)

    def in_single_precision(self) -> "Network":
        """Return the same program with half precision, wherever it stands, replaced by single."""
        return self.map_dtypes(widen)


def widen(dtype: torch.dtype) -> torch.dtype:
    """Return single precision for either half precision, and any other dtype as it is."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def arguments_of(values: Mapping[str, Any], node: Node) -> dict[str, Any]:
    """Return the node's arguments with references replaced by their values."""

    def value(argument: Argument) -> Any:
        if isinstance(argument, Ref):
            return values[argument.name]
        return [value(item) for item in argument] if isinstance(argument, list) else argument

    return {name: value(argument) for name, argument in node.inputs.items()}


def named_results(node: Node, result: Any) -> dict[str, Any]:
    """Return the result, or the several results, of a node by their names, but for the unused."""
    results = result if isinstance(result, list | tuple) else (result,)
    return {name: item for name, item in zip(node.outputs, results, strict=True) if name}


def named_arguments(node: Node, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a node refers to, by name: `arguments_of` the other way round."""
    found: dict[str, Any] = {}

    def collect(argument: Argument, value: Any) -> None:
        if isinstance(argument, Ref):
            found[argument.name] = value
        elif isinstance(argument, list):
            for item, part in zip(argument, value, strict=True):
                collect(item, part)

    for name, argument in node.inputs.items():
        collect(argument, arguments[name])
    return found
