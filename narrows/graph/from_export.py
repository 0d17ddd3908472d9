"""From a module, or a program that torch exported, to a `Network`; only for trusted code.

Uploads are not read here, but by `worker.formats.pt2`.
"""

import operator
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, OutputKind, TensorArgument
from torch.fx import Node as FxNode

from narrows.graph import operators
from narrows.graph.exported_outputs import outputs_of, require_same
from narrows.graph.module_types import function_name, module_path, type_name
from narrows.graph.network import Network
from narrows.graph.node import Argument, Input, Node, Ref
from narrows.graph.output_tree import Nesting
from narrows.graph.tracing import TraceError, quiet, reason_of, trace


def as_network(model: nn.Module | ExportedProgram, inputs: tuple[Tensor, ...]) -> Network:
    """Return the network of a module, exported in eval mode with a free batch, or of a program.

    `inputs` is an example batch, of any size; the tensors are copied. Raises TraceError for an
    operator that Narrows does not know, for code that torch.export can't follow, and where what it
    exported computes something else than the module.

    >>> network = as_network(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (torch.zeros(2, 3),))
    >>> [(node.op, node.module) for node in network.nodes], list(network.tensors)
    ([('linear', '0'), ('relu', '1')], ['0.weight', '0.bias'])
    >>> network.inputs[0].shape[1], network.fixed_batch
    (3, None)
    """
    program = model if isinstance(model, ExportedProgram) else trace(model, inputs)
    with quiet():
        program = program.run_decompositions({})  # which makes in-place operators pure
    network = _Reader(program).read()
    if isinstance(model, nn.Module):
        _require_same_outputs(model, inputs, network)
    return network


def _require_same_outputs(module: nn.Module, inputs: tuple[Tensor, ...], network: Network) -> None:
    try:
        expected = outputs_of(module, inputs)
        with torch.no_grad(), inputs[0].device:
            exported = network(*inputs)
    except Exception as error:  # the user's own code may raise any type
        raise TraceError(reason_of(module, inputs, error)) from error
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
        self._modules: dict[str, str] = {}
        self._inputs: list[Input] = []
        self._pieces: dict[str, dict[int, str]] = {}  # of a node with several results: their names

    def read(self) -> Network:
        for spec, node in zip(
            self._program.graph_signature.input_specs, self._placeholders(), strict=True
        ):
            self._read_input(spec, node)
        for name, tensor in self._program.state_dict.items():
            self._store(name, tensor)  # what the program does not read, in a strict export
        calls = [node for node in self._program.graph.nodes if node.op == "call_function"]
        for node in calls:
            if node.target is operator.getitem:
                source, index = node.args
                self._pieces.setdefault(source.name, {})[index] = node.name
        nodes = [self._node(node) for node in calls if node.target is not operator.getitem]
        outputs = tuple(
            spec.arg.name
            for spec in self._program.graph_signature.output_specs
            if spec.kind in (OutputKind.USER_OUTPUT, OutputKind.LOSS_OUTPUT)
            and isinstance(spec.arg, TensorArgument)  # and not None
        )
        if not outputs:
            raise TraceError("the network returns no tensor")
        return Network(
            tuple(node for node in nodes if node.op not in operators.DROPPED),
            self._tensors,
            self._leaves,
            frozenset(self._parameters),
            tuple(self._inputs),
            outputs,
            frozenset(self._transient),
            self._aliases,
            self._nesting(len(outputs)),
            self._modules,
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

    def _nesting(self, outputs: int) -> Nesting | None:
        spec = self._program.call_spec.out_spec
        nesting = spec.unflatten(range(outputs)) if spec and spec.num_leaves == outputs else None
        return nesting if _is_plain(nesting) else None

    def _node(self, node: FxNode) -> Node:
        op, inputs = _call(node)
        value = node.meta.get("val")
        outputs: tuple[str | None, ...] = (node.name,)
        if isinstance(value, list | tuple):
            pieces = self._pieces.get(node.name, {})
            outputs = tuple(pieces.get(index) for index in range(len(value)))
        self._modules |= {path: type_name(kind) for path, kind in _stack(node)}
        _, function = node.meta.get("torch_fn") or ("", "")
        return Node(op, inputs, outputs, _module(node), function_name(function))


def _module(node: FxNode) -> str:
    """Return the name of the module that made a call."""
    return _stack(node)[-1][0]


def _stack(node: FxNode) -> list[tuple[str, str]]:
    """Return the paths and classes of the modules that a call is made in, the outermost first."""
    stack: Any = node.meta.get("nn_module_stack") or {"": ("", "")}
    return [(module_path(path), str(kind)) for path, kind in stack.values()]


def _call(node: FxNode) -> tuple[str, dict[str, Argument]]:
    """Return the operator's name, and its arguments by the names of its schema."""
    target = node.target
    if not isinstance(target, OpOverload):
        name = f"operator.{getattr(target, '__name__', target)}"
        return _known(name, node), dict(zip("ab", map(_argument, node.args), strict=False))
    packet, overload = target._schema.name.removeprefix("aten::"), target._overloadname
    name = packet if overload == "default" else f"{packet}.{overload}"
    names = [argument.name for argument in target._schema.arguments]
    arguments = dict(zip(names, node.args, strict=False)) | node.kwargs
    inputs = {
        key: _argument(value) for key, value in arguments.items() if key not in operators.PLACEMENT
    }
    return _known(name, node), inputs


def _known(op: str, node: FxNode) -> str:
    if op in operators.OPERATORS or op in operators.SYMBOLIC or op in operators.DROPPED:
        return op
    raise TraceError(f"the operator {node.target} is not supported{_where(node)}")


def _where(node: FxNode) -> str:
    """Return the module and the line of source that a call comes from, where they are known."""
    module = _module(node)
    lines = str(node.meta.get("stack_trace") or "").strip().splitlines()
    place = " ".join(line.strip() for line in lines[-2:])
    where = f"; module {module!r} calls it" if module else ""
    return f"{where} ({place})" if place else where


def _is_plain(nesting: Any) -> bool:
    """Tell whether outputs are nested in tuples, lists and dicts with names for keys."""
    if isinstance(nesting, dict):
        return all(isinstance(name, str) and _is_plain(nesting[name]) for name in nesting)
    return isinstance(nesting, int) or (
        isinstance(nesting, list | tuple) and all(map(_is_plain, nesting))
    )


def _argument(value: Any) -> Argument:
    if isinstance(value, FxNode):
        return Ref(value.name)
    if isinstance(value, list | tuple):
        return [_argument(item) for item in value]
    plain: Argument = value  # a number, text or a dtype
    return plain
