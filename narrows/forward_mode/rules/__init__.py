"""The rules of dual numbers: the value and tangent of each operator's result from its arguments.

Linear operators treat value and tangent alike, and products follow the product rule. Where the
gradient of value and tangent has a closed form that is cheaper than torch's, it is written out.
Operators without a rule are left to torch's forward mode (`dual.differentiate`).

See docs/method.md, "Dual numbers".
"""

from narrows.forward_mode.rules import (
    attention,
    linear,
    norms,
    piecewise,
    pools,
    products,
    shapes,
    smooth,
    softmax,
)
from narrows.forward_mode.rules.registry import RULES, run

__all__ = [
    "RULES", "attention", "linear", "norms", "piecewise", "pools", "products",
    "run", "shapes", "smooth", "softmax",
]  # fmt: skip
