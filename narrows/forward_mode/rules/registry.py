"""The table of rules for dual numbers, and the function that applies them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from narrows.forward_mode.dual import Arguments, differentiate, varying
from narrows.graph import operators
from narrows.graph.rule_table import RuleTable

Rule = Callable[[str, Arguments], Any]

RULES: RuleTable[Rule] = RuleTable()
rule = RULES.rule


def run(op: str, arguments: Arguments) -> Any:
    """Run one operator on arguments that may be dual; the result is dual where it varies.

    d(x²) = 2 x dx, at x = 3:

    >>> from narrows.forward_mode.dual import Dual
    >>> x = Dual.of(torch.tensor([3.0]), torch.tensor([1.0]))
    >>> y = run("mul.Tensor", {"self": x, "other": x})
    >>> y.value, y.tangent
    (tensor([9.]), tensor([6.]))
    """
    if not varying(arguments):
        return operators.run(op, arguments)
    return RULES.get(op, differentiate)(op, arguments)


def for_value(tensor: Tensor) -> Tensor:
    """Return [2, …]: `tensor` for the value and 0 for the tangent, such as of a bias.

    >>> for_value(torch.tensor([5.0]))
    tensor([[5.],
            [0.]])
    """
    return torch.stack([tensor, torch.zeros_like(tensor)])
