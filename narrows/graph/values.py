"""The values of a program by name: what a node reads, and what it makes."""

from collections.abc import Mapping
from typing import Any

from narrows.graph.node import Argument, Node, Ref


def arguments_of(values: Mapping[str, Any], node: Node) -> dict[str, Any]:
    """Return the node's arguments with references replaced by their values.

    >>> cat = Node("cat", {"tensors": [Ref("a"), Ref("b")], "dim": 1}, ("y",), "")
    >>> arguments_of({"a": "A", "b": "B"}, cat)
    {'tensors': ['A', 'B'], 'dim': 1}
    """
    return {name: _value(values, argument) for name, argument in node.inputs.items()}


def _value(values: Mapping[str, Any], argument: Argument) -> Any:
    # no closure that calls itself: it would hold all values until the garbage is collected
    if isinstance(argument, Ref):
        return values[argument.name]
    return [_value(values, item) for item in argument] if isinstance(argument, list) else argument


def named_results(node: Node, result: Any) -> dict[str, Any]:
    """Return the result, or the several results, of a node by name, without the unused ones.

    >>> named_results(Node("max.dim", {}, ("largest", None), ""), ("values", "indices"))
    {'largest': 'values'}
    """
    results = result if isinstance(result, list | tuple) else (result,)
    return {name: item for name, item in zip(node.outputs, results, strict=True) if name}


def named_arguments(node: Node, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a node refers to, by name: the inverse of `arguments_of`.

    >>> cat = Node("cat", {"tensors": [Ref("a"), Ref("b")], "dim": 1}, ("y",), "")
    >>> named_arguments(cat, {"tensors": ["A", "B"], "dim": 1})
    {'a': 'A', 'b': 'B'}
    """
    values: dict[str, Any] = {}
    for name, argument in node.inputs.items():
        _collect(values, argument, arguments[name])
    return values


def _collect(values: dict[str, Any], argument: Argument, value: Any) -> None:
    if isinstance(argument, Ref):
        values[argument.name] = value
    elif isinstance(argument, list):
        for item, part in zip(argument, value, strict=True):
            _collect(values, item, part)
