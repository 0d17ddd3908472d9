"""Dual numbers: a value with its derivative along one direction, and how to compute with it.

Value and tangent travel as one tensor `both` of shape [2, batch, …], so that a linear operator,
which treats the two alike, is one native call on a doubled batch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from narrows.graph import operators

Arguments = dict[str, Any]


class Dual:
    """A value and its tangent; `both[0]` is the value, `both[1]` its derivative."""

    __slots__ = ("both",)

    def __init__(self, both: Tensor) -> None:
        self.both = both

    @classmethod
    def of(cls, value: Tensor, tangent: Tensor) -> "Dual":
        return cls(torch.stack([value, tangent]))

    @property
    def value(self) -> Tensor:
        return self.both[0]

    @property
    def tangent(self) -> Tensor:
        return self.both[1]


def constant(value: Tensor) -> Dual:
    """Return `value` as a dual number that does not vary."""
    return Dual.of(value, torch.zeros_like(value))


def varying(arguments: Arguments) -> set[str]:
    """Return the names of the arguments that are, or hold, dual numbers."""

    def varies(argument: Any) -> bool:
        if isinstance(argument, list):
            return any(map(varies, argument))
        return isinstance(argument, Dual)

    return {name for name, argument in arguments.items() if varies(argument)}


def substitute(arguments: Arguments, replace: Callable[[Dual], Any]) -> Arguments:
    """Return the arguments with `replace(dual)` in place of every dual number."""

    def visit(argument: Any) -> Any:
        if isinstance(argument, list):
            return [visit(item) for item in argument]
        return replace(argument) if isinstance(argument, Dual) else argument

    return {name: visit(argument) for name, argument in arguments.items()}


def differentiate(op: str, arguments: Arguments) -> Any:
    """Run any operator by torch's own forward mode: right for all, the fastest for none."""
    duals: list[Dual] = []
    missing: list[int] = []
    substitute(arguments, duals.append)

    def call(*values: Tensor) -> Any:
        remaining = iter(values)
        results = operators.run(op, substitute(arguments, lambda _: next(remaining)))
        if isinstance(results, Tensor):
            return results
        missing.extend(place for place, result in enumerate(results) if result is None)
        return [result for result in results if result is not None]

    values = tuple(dual.value for dual in duals)
    derived: Any = torch.func.jvp(call, values, tuple(dual.tangent for dual in duals))
    results, tangents = derived
    if isinstance(results, Tensor):
        return _pair(results, tangents)
    pairs: list[Any] = [_pair(*pair) for pair in zip(results, tangents, strict=True)]
    for place in missing:
        pairs.insert(place, None)
    return pairs


def _pair(value: Tensor, tangent: Tensor) -> Dual | Tensor:
    if not value.is_floating_point():
        return value
    return Dual.of(value, tangent.to(value.dtype))  # torch may widen a tangent of no dimensions


def map_linearly(op: str, arguments: Arguments) -> Any:
    """Map over the leading dimension, so that the operator sees the shapes it expects."""
    duals: list[Dual] = []
    substitute(arguments, duals.append)

    def call(*parts: Tensor) -> Any:
        remaining = iter(parts)
        return operators.run(op, substitute(arguments, lambda _: next(remaining)))

    result = torch.vmap(call)(*(dual.both for dual in duals))
    return _unpack(result) if isinstance(result, Tensor) else [_unpack(both) for both in result]


def _unpack(both: Tensor) -> Dual | Tensor:
    return Dual(both) if both.is_floating_point() else both[0]  # a cast to integers ends variation
