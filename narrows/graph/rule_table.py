"""Tables of rules: functions by operator."""

from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R", bound=Callable[..., Any])


class RuleTable(dict[str, R]):
    """A dictionary from operators to functions.

    >>> table = RuleTable[Callable[[float], float]]()
    >>> @table.rule("add.Tensor", "sub.Tensor")
    ... def _linear(x: float) -> float:
    ...     return x
    >>> sorted(table)
    ['add.Tensor', 'sub.Tensor']
    """

    def rule(self, *ops: str) -> Callable[[R], R]:
        """Register a function as the rule of these operators."""

        def register(function: R) -> R:
            self.update(dict.fromkeys(ops, function))
            return function

        return register
