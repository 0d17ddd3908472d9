"""Operators by torch's own kernels where these are faster, but can be differentiated once only.

See docs/method.md, "Gates".
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from narrows.graph import bounds, operators

aten: Any = torch.ops.aten


def _attention(**arguments: Any) -> Any:
    return aten.scaled_dot_product_attention(**{**arguments, "dropout_p": 0.0})


NATIVE: Mapping[str, Callable[..., Any]] = {
    "layer_norm": aten.layer_norm.default,
    "native_layer_norm": aten.native_layer_norm.default,
    "scaled_dot_product_attention": _attention,
}
"""The kernels by the operator; in eval mode they compute what `operators.run` does."""


def run(op: str, arguments: dict[str, Any]) -> Any:
    """Run one operator as `operators.run` does, so that one backward pass is as fast as can be.

    >>> run("layer_norm", {"input": torch.tensor([1.0, 3.0]), "normalized_shape": [2], "eps": 0.0})
    tensor([-1.,  1.])
    """
    if op not in NATIVE:
        return operators.run(op, arguments)
    bounds.check_arguments(op, arguments)
    return NATIVE[op](**arguments)
