"""The rules of dual numbers: the value and tangent of each operator's result from its arguments.

Linear operators treat value and tangent alike, piecewise linear ones select, and products follow
the product rule. Operators that take little time are left to torch's forward mode
(`dual.differentiate`).

See docs/method.md, "Dual numbers".
"""

from narrows.forward_mode.rules import linear, piecewise, products, shapes
from narrows.forward_mode.rules.linear import batch_norm_map
from narrows.forward_mode.rules.registry import RULES, run

__all__ = ["RULES", "batch_norm_map", "linear", "piecewise", "products", "run", "shapes"]
