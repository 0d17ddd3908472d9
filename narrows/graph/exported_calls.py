"""The calls of a program that torch exported: from nodes of torch.fx to calls by name."""

import operator
from collections.abc import Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverload
from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

from narrows.graph import operator_names, operators
from narrows.graph.functionalization import Functionalization
from narrows.graph.module_types import function_name, module_path, type_name
from narrows.graph.node import Argument, Node, Ref
from narrows.graph.operator_names import INLINED
from narrows.graph.refused_operators import DATA_SHAPE, reason_against
from narrows.graph.unsupported import UnsupportedError

_SYMBOLIC: Mapping[Any, str] = {function: name for name, function in operators.SYMBOLIC.items()}


class Calls:
    """The calls read so far, in `pure` without writes, and the classes of modules by path."""

    def __init__(self) -> None:
        self._dtypes: dict[str, torch.dtype | None] = {}
        self.pure = Functionalization(self._dtypes)
        self.modules: dict[str, str] = {}
        self._blocks = count(1)

    def read(self, graph: GraphModule, prefix: str = "") -> list[Any]:
        """Read a graph whose inputs are defined; return what it returns.

        Names of a graph within another begin with `prefix`.
        """
        nodes = list(graph.graph.nodes)
        pieces: dict[FxNode, dict[int, str]] = {}  # the names of a call's several results
        for node in nodes:
            value = node.meta.get("val")
            self._dtypes[prefix + node.name] = getattr(value, "dtype", None)
            if node.target is operator.getitem:
                source, index = node.args
                pieces.setdefault(source, {})[index] = prefix + node.name
        for node in nodes:
            if node.op != "call_function" or node.target is operator.getitem:
                continue
            if isinstance(node.target, HigherOrderOperator):
                self._inline(graph, node, pieces.get(node, {}), prefix)
            elif (call := _call(node, prefix, pieces.get(node, {}))) is not None:
                self.modules |= {path: type_name(kind) for path, kind in _stack(node)}
                self.pure.add(call)
        return list(nodes[-1].args[0])

    def _inline(
        self, graph: GraphModule, node: FxNode, pieces: Mapping[int, str], prefix: str
    ) -> None:
        """Read the calls in a block that only switches gradients, or autocast, off."""
        name = str(node.target)
        if name not in INLINED or (name == "wrap_with_autocast" and node.args[2] is not False):
            raise _unknown(node)
        body, *operands = list[Any](node.args[INLINED[name] :])
        inner: Any = graph.get_submodule(str(body.target))
        own = f"block{next(self._blocks)}."
        placeholders = [n for n in inner.graph.nodes if n.op == "placeholder"]
        for placeholder, operand in zip(placeholders, operands, strict=True):
            self.pure.bind(own + placeholder.name, prefix + operand.name)
        for index, result in enumerate(self.read(inner, own)):
            if index in pieces:
                self.pure.bind(pieces[index], own + result.name)


def _call(node: FxNode, prefix: str, pieces: Mapping[int, str]) -> Node | None:
    """Return a call by its operator's name, with arguments by the names of its schema.

    None stands for an assertion of the exporter.
    """
    op, inputs = _operator(node)
    if op in operator_names.DROPPED:
        return None
    value = node.meta.get("val")
    if free_unbacked_symbols(value):
        what = f"{node.target} is not supported: {DATA_SHAPE}{_where(node)}"
        raise UnsupportedError(what, final=True)
    outputs: tuple[str | None, ...] = (prefix + node.name,)
    if isinstance(value, list | tuple):
        outputs = tuple(pieces.get(index) for index in range(len(value)))
    _, function = node.meta.get("torch_fn") or ("", "")
    arguments = {name: _argument(value, prefix) for name, value in inputs.items()}
    return Node(op, arguments, outputs, _stack(node)[-1][0], function_name(function))


def _operator(node: FxNode) -> tuple[str, dict[str, Any]]:
    """Return the operator's name, and its arguments by the names of its schema."""
    target = node.target
    if target in _SYMBOLIC:
        return _SYMBOLIC[target], dict(zip("ab", node.args, strict=False))
    if not isinstance(target, OpOverload):
        raise _unknown(node)
    if target == torch.ops.aten.as_strided.default and _restates(node):
        return "alias", {"self": node.args[0]}
    name = _name(target)
    if name in operator_names.DROPPED:
        return name, {}
    if not is_known(target):
        raise _unknown(node)
    names = operators.argument_names(name, target)
    given = dict(zip(names.values(), node.args, strict=False))
    given |= {names[own]: value for own, value in node.kwargs.items()}
    return name, {key: value for key, value in given.items() if key not in operator_names.PLACEMENT}


def _restates(node: FxNode) -> bool:
    """Tell whether `as_strided` gives its argument the layout that it has."""
    source: Any = node.args[0]
    result, given = (_layout(value.meta["val"]) for value in (node, source))
    return result == given


def _layout(value: Tensor) -> tuple[list[str], str]:
    """Return sizes and strides of a tensor as texts, so that symbols can be compared."""
    dims = zip(value.shape, value.stride(), strict=True)
    return [f"{size}:{'' if size == 1 else step}" for size, step in dims], str(
        value.storage_offset()
    )


def _name(target: OpOverload) -> str:
    packet, overload = target._schema.name.removeprefix("aten::"), target._overloadname
    name = packet if overload == "default" else f"{packet}.{overload}"
    return operator_names.SAME.get(name, name)


def is_known(target: OpOverload) -> bool:
    """Tell whether Narrows knows an operator.

    >>> is_known(torch.ops.aten.add_.Tensor), is_known(torch.ops.aten.from_file.default)
    (True, False)
    """
    name = _name(target)
    tables = (operators.OPERATORS, operators.INPLACE, operators.SYMBOLIC, operator_names.DROPPED)
    return any(name in table for table in tables)


def unknown_operators(graph: GraphModule) -> set[OpOverload]:
    """Return the operators of a graph, and of blocks within it, that Narrows does not know."""
    return {
        node.target
        for module in graph.modules()
        if isinstance(module, GraphModule)
        for node in module.graph.nodes
        if isinstance(node.target, OpOverload) and not is_known(node.target)
    }


def _unknown(node: FxNode) -> UnsupportedError:
    reason = reason_against(str(node.target))
    why = f": {reason}" if reason else ""
    return UnsupportedError(f"the operator {node.target} is not supported{why}{_where(node)}")


def _where(node: FxNode) -> str:
    """Return the module and the line of source that a call comes from, where they are known."""
    module = _stack(node)[-1][0]
    lines = str(node.meta.get("stack_trace") or "").strip().splitlines()
    place = " ".join(line.strip() for line in lines[-2:])
    where = f"; module {module!r} calls it" if module else ""
    return f"{where} ({place})" if place else where


def _stack(node: FxNode) -> list[tuple[str, str]]:
    """Return the paths and classes of the modules that a call is made in, the outermost first."""
    stack: Any = node.meta.get("nn_module_stack") or {"": ("", "")}
    return [(module_path(path), str(kind)) for path, kind in stack.values()]


def _argument(value: Any, prefix: str) -> Argument:
    if isinstance(value, FxNode):
        return Ref(prefix + value.name)
    if isinstance(value, list | tuple):
        return [_argument(item, prefix) for item in value]
    plain: Argument = value  # a number, text or a dtype
    return plain
