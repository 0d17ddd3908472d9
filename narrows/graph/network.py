"""A network: a straight-line program of ATen operators, always in eval mode.

See docs/architecture.md, "The network".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from narrows.graph import operators
from narrows.graph.node import Argument, Input, Node
from narrows.graph.operator_names import OF_SIZES
from narrows.graph.output_tree import Nesting
from narrows.graph.values import arguments_of, named_results

Call: TypeAlias = Callable[[int, Node, dict[str, Any]], Any]
"""The function that computes a node: (index, node, arguments by name) → its result or results."""


def run_node(_index: int, node: Node, arguments: dict[str, Any]) -> Any:
    """Compute a node by its operator.

    >>> run_node(0, Node("relu", {}, ("y",), ""), {"self": torch.tensor([-1.0, 2.0])})
    tensor([0., 2.])
    """
    return operators.run(node.op, arguments)


@dataclass(frozen=True)
class Network:
    """The program: operator calls in order over inputs and named tensors.

    `tensors` holds parameters, buffers and constants under the user's names, such as
    `layer1.0.bn1.weight`; `leaves` maps values of the program to tensors; `parameters` names the
    trainable ones, `transient` those that no state dict holds (constants, buffers that do not
    persist), and `aliases` maps the other names of tied tensors to the first. `nesting` is the
    structure in which the module returned its outputs, where that is known; a call of the network
    returns them as a flat tuple. `modules` maps the paths of modules to the names of their classes,
    as far as the export tells. Batch norm is frozen and dropout off, whatever the export was.

    >>> from narrows.graph.node import Ref
    >>> node = Node("relu", {"self": Ref("x")}, ("y",), "activation")
    >>> x = Input("x", torch.float32, ("batch", 2))
    >>> network = Network((node,), {}, {}, frozenset(), (x,), ("y",))
    >>> network(torch.tensor([[-1.0, 2.0]]))
    (tensor([[0., 2.]]),)
    >>> network.readers, sorted(network.varying), network.fixed_batch
    ({'y': [-1], 'x': [0]}, ['x', 'y'], None)
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
    modules: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the program on a batch; return its outputs."""
        return self.execute(*inputs)

    def execute(
        self, *inputs: Any, call: Call = run_node, tensors: Mapping[str, Any] | None = None
    ) -> tuple[Any, ...]:
        """Run the program on inputs of any kind; return its outputs.

        `call(index, node, arguments)` computes node `index` from its arguments, with values in
        place of references; `tensors` replace the network's own. A value is dropped after its last
        reader. Below, `call` counts operators instead of computing them:

        >>> from collections import Counter
        >>> from narrows.example import two_neurons
        >>> counter = Counter()
        >>> two_neurons()[0].execute("x", call=lambda index, node, _: counter.update([node.op]))
        (None,)
        >>> counter
        Counter({'linear': 2})
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
        """For each node, the values that nothing reads after it, so that they can be freed.

        >>> from narrows.example import two_neurons
        >>> two_neurons()[0].last_reads  # x → h → y; the output y stays
        (('x',), ('h',))
        """
        last = {name: i for i, node in enumerate(self.nodes) for name in node.outputs if name}
        last |= {name: i for i, node in enumerate(self.nodes) for name in node.references()}
        freed: list[list[str]] = [[] for _ in self.nodes]
        for name, i in last.items():
            if name not in self.outputs and name not in self.leaves:
                freed[i].append(name)
        return tuple(map(tuple, freed))

    @cached_property
    def readers(self) -> Mapping[str, list[int]]:
        """The indices of the calls that read each value; −1 stands for the network's caller."""
        readers: dict[str, list[int]] = {name: [-1] for name in self.outputs}
        for index, node in enumerate(self.nodes):
            for name in node.references():
                readers.setdefault(name, []).append(index)
        return readers

    @cached_property
    def varying(self) -> frozenset[str]:
        """The values that depend on the inputs' numbers, and not only on their sizes."""
        varying = {spec.name for spec in self.inputs}
        for node in self.nodes:
            if node.op in operators.SYMBOLIC or node.op in OF_SIZES:
                continue
            if varying.intersection(node.references()):
                varying.update(filter(None, node.outputs))
        return frozenset(varying)

    @property
    def fixed_batch(self) -> int | None:
        """The batch size that the program was exported for; None where it is free."""
        firsts = (spec.shape[0] for spec in self.inputs if spec.shape)
        return next((size for size in firsts if isinstance(size, int)), None)

    @property
    def precision(self) -> torch.dtype:
        """The number type of the first floating-point tensor, else torch's default."""
        dtypes = (tensor.dtype for tensor in self.tensors.values())
        return next((d for d in dtypes if d.is_floating_point), torch.get_default_dtype())

    def map_tensors(self, function: Callable[[Tensor], Tensor]) -> "Network":
        """Return the same program with `function(tensor)` for each tensor, such as on a device.

        >>> from narrows.example import two_neurons
        >>> two_neurons()[0].map_tensors(torch.negative).tensors["output.weight"]
        tensor([[-1., -1.]])
        """
        return replace(self, tensors={name: function(t) for name, t in self.tensors.items()})

    def to(self, device: torch.device) -> "Network":
        """Return the same program with its tensors on a device."""
        return self.map_tensors(lambda tensor: tensor.to(device))

    def map_dtypes(self, function: Callable[[torch.dtype], torch.dtype]) -> "Network":
        """Return the program with `function(dtype)` for each dtype of tensors, inputs, arguments.

        >>> from narrows.example import two_neurons
        >>> two_neurons()[0].map_dtypes(lambda _: torch.float64)(torch.ones(1, 1).double())
        (tensor([[3.]], dtype=torch.float64),)
        """

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
        """Return the same program with single precision in place of both half precisions.

        >>> from narrows.example import two_neurons
        >>> half = two_neurons()[0].map_dtypes(lambda _: torch.bfloat16)
        >>> half.precision, half.in_single_precision().precision
        (torch.bfloat16, torch.float32)
        """
        return self.map_dtypes(widen)


def widen(dtype: torch.dtype) -> torch.dtype:
    """Return single precision for either half precision, and any other dtype as it is.

    >>> widen(torch.bfloat16), widen(torch.int64)
    (torch.float32, torch.int64)
    """
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
