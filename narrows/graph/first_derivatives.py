"""Operators by torch's own kernels where these are faster, but can be differentiated once only.

See docs/method.md, "Gates".
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from narrows.graph import bounds, operators
from narrows.graph.layer_ops import along_channels
from narrows.graph.normalization import batch_norm, batch_norm_map

aten: Any = torch.ops.aten


def _attention(**arguments: Any) -> Any:
    return aten.scaled_dot_product_attention(**{**arguments, "dropout_p": 0.0})


def _batch_norm(**arguments: Any) -> Tensor:
    """By fixed statistics, a product and a sum: torch's own would keep its input for backward."""
    others = [value for name, value in arguments.items() if name != "input"]
    if arguments["running_mean"] is None or any(
        isinstance(value, Tensor) and value.requires_grad for value in others
    ):
        return batch_norm(**arguments)
    x: Tensor = arguments["input"]
    scale, shift = (along_channels("conv", v, x.dim()) for v in batch_norm_map(arguments))
    return (x * scale).add_(shift)


def _alias(self: Tensor) -> Tensor:
    return self


def _core_batch_norm(**arguments: Any) -> tuple[Tensor, None, None]:
    return _batch_norm(**arguments), None, None


NATIVE: Mapping[str, Callable[..., Any]] = {
    "alias": _alias,
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _core_batch_norm,
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
