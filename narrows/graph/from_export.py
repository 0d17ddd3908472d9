"""From a module, or a program that torch exported, to a `Network`; only for trusted code.

Uploads are not read here, but by `worker.formats.pt2`.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import torch
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

from narrows.graph.exported_calls import Calls, unknown_operators
from narrows.graph.exported_outputs import outputs_of, require_same
from narrows.graph.functionalization import UnsupportedError
from narrows.graph.network import Network
from narrows.graph.node import Input
from narrows.graph.output_tree import Constant, Nesting, collection, renumbered
from narrows.graph.tracing import TraceError, quiet, reason_of, trace

MAX_DECOMPOSITIONS = 4
"""How often torch may write a program in simpler operators: those can have such, too."""


def as_network(
    model: nn.Module | ExportedProgram, inputs: tuple[Tensor, ...], names: Sequence[str] = ()
) -> Network:
    """Return the network of a module, exported in eval mode with a free batch, or of a program.

    `inputs` is an example batch, of any size, which the module takes by `names`, if there are any;
    the tensors are copied. Raises TraceError for an operator that Narrows does not know, for code
    that torch.export can't follow, and where what it exported computes something else than the
    module.

    >>> network = as_network(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (torch.zeros(2, 3),))
    >>> [(node.op, node.module) for node in network.nodes], list(network.tensors)
    ([('linear', '0'), ('relu', '1')], ['0.weight', '0.bias'])
    >>> network.inputs[0].shape[1], network.fixed_batch
    (3, None)
    """
    program = model if isinstance(model, ExportedProgram) else trace(model, inputs, names)
    try:
        network, _, decomposed = read_program(program)
    except UnsupportedError as error:
        raise TraceError(str(error)) from error
    if decomposed:
        warnings.warn(as_decomposed(decomposed), stacklevel=3)
    if isinstance(model, nn.Module):
        _require_same_outputs(model, inputs, names, network)
    return network


def read_program(program: ExportedProgram) -> tuple[Network, ExportedProgram, list[str]]:
    """Return the network of a program, the program that it was read from, and what differs.

    Where Narrows lacks operators, torch writes them in simpler ones; these are listed by name.
    Raises UnsupportedError, about the program as it is, where that does not help.
    """
    decomposed: list[str] = []
    refusals: list[UnsupportedError] = []
    while True:
        try:
            return _Reader(program).read(), program, decomposed
        except UnsupportedError as error:
            refusals.append(error)
        if refusals[-1].final or len(refusals) > MAX_DECOMPOSITIONS:
            raise refusals[0]
        missing = unknown_operators(program.graph_module)
        try:
            with quiet():
                table = torch.export.default_decompositions()
                simpler = {target: table[target] for target in missing if target in table}
                program = program.run_decompositions(simpler)
        except Exception as error:  # torch raises many types
            raise refusals[0] from error
        decomposed += sorted(map(str, missing)) or ["writes into tensors"]


def as_decomposed(operators: Sequence[str]) -> str:
    """Return a sentence that says which operators torch has written in simpler ones.

    >>> as_decomposed(["aten.lerp.Scalar"])
    'torch wrote aten.lerp.Scalar in simpler operators, since Narrows does not follow it'
    """
    what = "them" if len(operators) > 1 else "it"
    names = ", ".join(operators)
    return f"torch wrote {names} in simpler operators, since Narrows does not follow {what}"


def _require_same_outputs(
    module: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], network: Network
) -> None:
    own = [spec.name for spec in network.inputs]
    in_order = [inputs[names.index(name)] for name in own] if names else inputs
    try:
        expected = outputs_of(module, inputs, names)
        with torch.no_grad(), inputs[0].device:
            exported = network(*in_order)
    except Exception as error:  # the user's own code may raise any type
        raise TraceError(reason_of(module, inputs, error, names)) from error
    require_same(expected, exported)


class _Reader:
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
        return Network(
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
