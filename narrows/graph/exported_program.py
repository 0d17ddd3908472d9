"""Reads a program that torch exported into a `Network`; only for trusted code.

Uploads are not read here, but by `worker.formats.pt2`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import (
    ArgumentSpec,
    ConstantArgument,
    InputKind,
    InputSpec,
    OutputKind,
    TensorArgument,
)
from torch.fx import Node as FxNode
from torch.utils._pytree import TreeSpec

from narrows.graph.einsum_products import with_products
from narrows.graph.exported_calls import Calls
from narrows.graph.network import Network
from narrows.graph.node import Input
from narrows.graph.output_tree import Constant, Nesting, collection, renumbered
from narrows.graph.unsupported import UnsupportedError


class ProgramReader:
    """Reads one program, once."""

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        self._stored = program.state_dict | dict(program.constants)
        self._leaves: dict[str, str] = {}
        self._tensors: dict[str, Tensor] = {}
        self._parameters: set[str] = set()
        self._transient: set[str] = set()
        self._names: dict[int, str] = {}  # by identity: tied tensors have the name of the first
        self._aliases: dict[str, str] = {}
        self._inputs: list[Input] = []

    def read(self) -> Network:
        """Return the network; raise UnsupportedError for what Narrows can't follow."""
        calls = Calls()
        for spec, node in zip(
            self._program.graph_signature.input_specs, self._placeholders(), strict=True
        ):
            self._read_input(spec, node)
            calls.pure.define(node.name, self._leaves.get(node.name))
        for name, tensor in self._program.state_dict.items():
            self._store(name, tensor)  # what the program does not read, in a strict export
        calls.read(self._program.graph_module)
        outputs: list[str] = []
        leaves: list[int | Constant | None] = []
        for spec in self._program.graph_signature.output_specs:
            if spec.kind in (OutputKind.USER_OUTPUT, OutputKind.LOSS_OUTPUT):
                leaves.append(_leaf(spec.arg, len(outputs)))
                if isinstance(spec.arg, TensorArgument):
                    outputs.append(calls.pure.read(spec.arg.name).name)
        if not outputs:
            raise UnsupportedError("the network returns no tensor", final=True)
        network = Network(
            calls.pure.live_nodes(outputs),
            self._tensors,
            self._leaves,
            frozenset(self._parameters),
            tuple(self._inputs),
            tuple(outputs),
            frozenset(self._transient),
            self._aliases,
            self._nesting(leaves),
            calls.modules,
        )
        return with_products(network)

    def _placeholders(self) -> list[FxNode]:
        return [node for node in self._program.graph.nodes if node.op == "placeholder"]

    def _read_input(self, spec: InputSpec, node: FxNode) -> None:
        if spec.kind == InputKind.USER_INPUT:
            value = node.meta["val"]
            shape = tuple(d if isinstance(d, int) else str(d) for d in value.shape)
            self._inputs.append(Input(node.name, value.dtype, shape))
            return
        name = str(spec.target)
        self._leaves[node.name] = self._store(name, self._stored[name])
        if self._leaves[node.name] == name and (
            spec.kind == InputKind.CONSTANT_TENSOR or spec.persistent is False
        ):
            self._transient.add(name)

    def _store(self, name: str, tensor: Tensor) -> str:
        """Keep a named tensor; return the name under which it is kept."""
        first = self._names.setdefault(id(tensor), name)
        if first != name:
            self._aliases[name] = first
        elif name not in self._tensors:
            self._tensors[name] = tensor.detach().clone()  # the module may be trained further
            if isinstance(tensor, nn.Parameter):
                self._parameters.add(name)
        return first

    def _nesting(self, leaves: Sequence[int | Constant | None]) -> Nesting:
        spec = self._program.call_spec.out_spec
        if spec is None or spec.num_leaves != len(leaves):
            return None
        return renumbered(_nesting(spec, count()), leaves)


def _leaf(argument: ArgumentSpec, number: int) -> int | Constant | None:
    """Return the number of an output that is a tensor, or what else it is."""
    if isinstance(argument, TensorArgument):
        return number
    if isinstance(argument, ConstantArgument) and argument.value is None:
        return None
    if isinstance(argument, ConstantArgument) and isinstance(argument.value, int | float | str):
        return Constant(argument.value)
    raise UnsupportedError("the network returns a size: let it return tensors", final=True)


def _nesting(spec: TreeSpec, numbers: Iterator[int]) -> Nesting:
    """Return how torch nests the outputs, in plain collections; see `collection`."""
    if spec.is_leaf():
        return next(numbers)
    children = [_nesting(child, numbers) for child in spec.children()]
    if spec.type is list:
        return children
    context: Any = spec.context
    if spec.type is defaultdict:
        _, context = context
    fields = getattr(context, "_fields", None)  # of a named tuple, whose class is its context
    try:
        return collection(fields or context, children)
    except (ValueError, TypeError):
        return tuple(children)
