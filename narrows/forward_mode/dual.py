"""Dual numbers: a value with its derivative along one direction, and how to compute with them.

Value and tangent are one tensor `both` of shape [2, batch, …]. A linear operator treats the two
alike, so it is one native call on a doubled batch.

See docs/method.md, "Dual numbers".
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from narrows.graph import operators

Arguments = dict[str, Any]


class Dual:
    """A value and its tangent: `both[0]` is the value, `both[1]` its derivative.

    >>> x = Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))  # x = 3, dx/dx = 1
    >>> x.value, x.tangent, x.both.shape
    (tensor([3.]), tensor([1.]), torch.Size([2, 1]))
    """

    __slots__ = ("both",)

    def __init__(self, both: Tensor) -> None:
        self.both = both

    @classmethod
    def of(cls, value: Tensor, tangent: Tensor) -> "Dual":
        """Return the dual number of a value and a tangent of the same shape."""
        return cls(torch.stack([value, tangent]))

    @property
    def shape(self) -> torch.Size:
        """The shape of the value, and of its tangent."""
        return self.both.shape[1:]

    @property
    def value(self) -> Tensor:
        """The value, [batch, …]."""
        return self.both[0]

    @property
    def tangent(self) -> Tensor:
        """The derivative of the value along the direction, [batch, …]."""
        return self.both[1]


def constant(value: Tensor) -> Dual:
    """Return `value` as a dual number whose derivative is 0.

    >>> constant(torch.tensor([5.0])).tangent
    tensor([0.])
    """
    return Dual.of(value, torch.zeros_like(value))


def varying(arguments: Arguments) -> set[str]:
    """Return the names of the arguments that are, or hold, dual numbers.

    >>> x = constant(torch.ones(1))
    >>> sorted(varying({"self": x, "other": torch.ones(1), "tensors": [torch.ones(1), x]}))
    ['self', 'tensors']
    """
    return {name for name, argument in arguments.items() if _varies(argument)}


def _varies(argument: Any) -> bool:
    return any(map(_varies, argument)) if isinstance(argument, list) else type(argument) is Dual


def substitute(arguments: Arguments, replace: Callable[[Dual], Any]) -> Arguments:
    """Return the arguments with `replace(dual)` in place of every dual number.

    >>> x = constant(torch.tensor([5.0]))
    >>> substitute({"self": x, "dim": 1}, lambda dual: dual.value)
    {'self': tensor([5.]), 'dim': 1}
    """
    return {name: _replaced(argument, replace) for name, argument in arguments.items()}


def _replaced(argument: Any, replace: Callable[[Dual], Any]) -> Any:
    # no closure that calls itself: it would hold tensors until the garbage is collected
    if isinstance(argument, list):
        return [_replaced(item, replace) for item in argument]
    return replace(argument) if isinstance(argument, Dual) else argument


def differentiate(op: str, arguments: Arguments) -> Any:
    """Run any operator by torch's own forward mode, `torch.func.jvp`; slower than a rule.

    >>> x = Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))
    >>> differentiate("square", {"self": x}).both  # x² = 9, 2 x = 6
    tensor([[9.],
            [6.]])
    """
    duals: list[Dual] = []
    missing: list[int] = []
    substitute(arguments, duals.append)

    def call(*values: Tensor) -> Any:
        remaining = iter(values)
        results = operators.run(op, substitute(arguments, lambda _: next(remaining)))
        if isinstance(results, Tensor):
            return results
        missing.extend(index for index, result in enumerate(results) if result is None)
        return [result for result in results if result is not None]

    values = tuple(dual.value for dual in duals)
    derived: Any = torch.func.jvp(call, values, tuple(dual.tangent for dual in duals))
    results, tangents = derived
    if isinstance(results, Tensor):
        return _pair(results, tangents)
    pairs: list[Any] = [_pair(*pair) for pair in zip(results, tangents, strict=True)]
    for index in missing:
        pairs.insert(index, None)
    return pairs


def _pair(value: Tensor, tangent: Tensor) -> Dual | Tensor:
    if not value.is_floating_point():
        return value
    return Dual.of(value, tangent.to(value.dtype))  # torch may widen a tangent of no dimensions


def map_linearly(op: str, arguments: Arguments) -> Any:
    """Run a linear operator on value and tangent alike, mapped over the leading dimension.

    So the operator gets the shapes that it expects.

    >>> x = Dual.of(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0]))
    >>> map_linearly("sum", {"self": x}).both  # 3 + 4 and 1 + 2
    tensor([7., 3.])
    """
    duals: list[Dual] = []
    substitute(arguments, duals.append)

    def call(*parts: Tensor) -> Any:
        remaining = iter(parts)
        return operators.run(op, substitute(arguments, lambda _: next(remaining)))

    result = torch.vmap(call)(*(dual.both for dual in duals))
    return _unpack(result) if isinstance(result, Tensor) else [_unpack(both) for both in result]


def _unpack(both: Tensor) -> Dual | Tensor:
    return Dual(both) if both.is_floating_point() else both[0]  # integers have no derivative
