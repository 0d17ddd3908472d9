"""How each operator carries dual numbers from its arguments to its result.

Linear operators treat value and tangent alike, piecewise linear ones select, products follow the
product rule. What is rare in hot places is left to torch's forward mode (`dual.differentiate`).

See docs/method.md, "Gates".
"""

from narrows.forward_mode.rules import linear, piecewise, products
from narrows.forward_mode.rules.linear import batch_norm_map
from narrows.forward_mode.rules.registry import RULES, run

__all__ = ["RULES", "batch_norm_map", "linear", "piecewise", "products", "run"]
