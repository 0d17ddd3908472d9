"""Sums, products and quotients of values that vary."""

from typing import Any

from narrows.forward_mode.dual import (
    Arguments,
    Dual,
    differentiate,
    map_linearly,
)
from narrows.forward_mode.rules.registry import rule
from narrows.graph import operators


@rule("add.Tensor", "sub.Tensor")
def _sum(op: str, arguments: Arguments) -> Any:
    a, b = arguments["self"], arguments["other"]
    if not (isinstance(a, Dual) and isinstance(b, Dual)):
        return differentiate(op, arguments)
    if a.both.dim() != b.both.dim():  # broadcasting must not meet the leading dimension
        return map_linearly(op, arguments)
    return Dual(operators.run(op, {**arguments, "self": a.both, "other": b.both}))


@rule("mul.Tensor")
def _product(op: str, arguments: Arguments) -> Any:
    a, b = arguments["self"], arguments["other"]
    if isinstance(a, Dual) and isinstance(b, Dual):
        return Dual.of(a.value * b.value, a.value * b.tangent + a.tangent * b.value)
    return map_linearly(op, arguments)


@rule("div.Tensor")
def _quotient(op: str, arguments: Arguments) -> Any:
    return (differentiate if isinstance(arguments["other"], Dual) else map_linearly)(op, arguments)
