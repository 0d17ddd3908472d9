"""The operators that a network may use, and the one function that runs them.

An upload names operators by text, and an operator that is not in this table can't run.

See docs/security.md, "Rules for archives", 6, 7 and 9.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from narrows.graph import bounds, eval_mode
from narrows.graph.operator_names import NAMES


def _overloads(names: Iterable[str]) -> Iterable[tuple[str, OpOverload]]:
    for name in names:
        packet, _, overload = name.partition(".")
        operation = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if isinstance(operation, OpOverload):  # else this torch is too old to have it
            yield name, operation


OPERATORS: Mapping[str, OpOverload] = dict(_overloads(NAMES.split()))
"""Every operator on tensors, keyed `conv2d` (the default overload) or `add.Tensor`."""


def _sym_size(tensor: Tensor, dim: int) -> int:
    return tensor.shape[dim]


SYMBOLIC: Mapping[str, Callable[..., Any]] = {
    "sym_size.int": _sym_size,
    "sym_max": torch.sym_max,
    "sym_min": torch.sym_min,
    "operator.add": operator.add,
    "operator.sub": operator.sub,
    "operator.mul": operator.mul,
    "operator.floordiv": operator.floordiv,
    "operator.mod": operator.mod,
    "operator.neg": operator.neg,
    "operator.eq": operator.eq,
    "operator.ne": operator.ne,
    "operator.lt": operator.lt,
    "operator.le": operator.le,
    "operator.gt": operator.gt,
    "operator.ge": operator.ge,
}
"""Integer arithmetic on sizes. `sym_size.int` takes `self`, `dim`; the others `a`, `b`."""


_CHANGE_SHAPE = frozenset(
    "detach squeeze squeeze.dim squeeze.dims t transpose.int unsqueeze".split()
)
_OF_ANOTHER_TYPE = frozenset(
    "eq ne ge gt le lt logical_and logical_not logical_or logical_xor".split()
)


def _inplace() -> Iterable[tuple[str, str]]:
    for name in OPERATORS.keys() - _CHANGE_SHAPE:
        packet, _, overload = name.partition(".")
        writer = getattr(getattr(torch.ops.aten, f"{packet}_", None), overload or "default", None)
        if isinstance(writer, OpOverload) and packet not in _OF_ANOTHER_TYPE:
            yield f"{packet}_.{overload}" if overload else f"{packet}_", name


INPLACE: Mapping[str, str] = {
    **dict(_inplace()),
    "pow_.Scalar": "pow.Tensor_Scalar",
    "pow_.Tensor": "pow.Tensor_Tensor",
}
"""In-place operators (`add_.Tensor`), each with the functional operator of the same result."""


def argument_names(op: str, target: OpOverload) -> dict[str, str]:
    """Return for each argument of `target`, by which a program calls `op`, its name in our table.

    >>> argument_names("dropout_", torch.ops.aten.dropout_.default)
    {'self': 'input', 'p': 'p', 'train': 'train'}
    >>> argument_names("transpose.int", torch.ops.aten.swapaxes.default)
    {'self': 'self', 'axis0': 'dim0', 'axis1': 'dim1'}
    """
    own = [argument.name for argument in target._schema.arguments]
    known = OPERATORS.get(INPLACE.get(op, op), target)
    table = known._schema.arguments
    names = [argument.name for argument in table]
    return dict(zip(own, [*names, *own[len(names) :]], strict=False))


_CALLS: Mapping[str, Callable[..., Any]] = {**OPERATORS, **eval_mode.REWRITES}


def run(op: str, arguments: dict[str, Any]) -> Any:
    """Run one operator as in eval mode; return its tensor, its tensors, or its integer.

    `arguments` are named, and ordered, as in the operator's schema, and name no device, layout or
    memory format. Results are on the device of the tensor arguments, or without any (`arange`,
    `zeros`) on torch's default device. Works on fake and meta tensors and under `torch.func`.

    Raises OutOfBoundsError, a ValueError that begins with the operator's name, where an argument
    is out of the bounds that keep native kernels from crashing.

    >>> run("mul.Tensor", {"self": torch.tensor([3.0]), "other": torch.tensor([4.0])})
    tensor([12.])
    >>> run("dropout", {"input": torch.tensor([3.0]), "p": 0.5, "train": True})  # in eval mode
    tensor([3.])
    >>> run("operator.floordiv", {"a": 1, "b": 0})
    Traceback (most recent call last):
    narrows.graph.bounds.OutOfBoundsError: operator.floordiv: integer division or modulo by zero
    """
    try:
        if op in SYMBOLIC:
            size = SYMBOLIC[op](*arguments.values())
            bounds.check_size(size)
            return size
        bounds.check_arguments(op, arguments)
    except (bounds.OutOfBoundsError, ZeroDivisionError) as error:
        raise bounds.OutOfBoundsError(f"{op}: {error}") from None
    return _CALLS[op](**arguments)
