"""What differs between the operators that are layers: where their channels are."""

from typing import Any

from torch import Tensor

PRODUCTS = frozenset({"linear", "addmm", "mm", "matmul", "bmm"})
"""Matrix products; like an embedding's, their channels are the last dimension of the result."""


def is_convolution(op: str) -> bool:
    return op.startswith("conv")


def is_transposed(op: str, arguments: dict[str, Any]) -> bool:
    """Tell whether a convolution is transposed: its weight is [in, out / groups, …]."""
    return bool(arguments.get("transposed", op.startswith("conv_transpose")))


def weight_argument(op: str) -> str:
    """Return the name of the argument that is a layer's weight."""
    if op in PRODUCTS and op != "linear":
        return "other" if op == "matmul" else "mat2"
    return "weight"


def channel_axis(op: str) -> int:
    """Return the dimension of a layer's result that has its channels."""
    return -1 if op in PRODUCTS or op == "embedding" else 1


def along_channels(op: str, vector: Tensor, rank: int) -> Tensor:
    """View a vector of channels so that it broadcasts over the operator's result of that rank."""
    shape = [1] * rank
    shape[channel_axis(op)] = len(vector)
    return vector.view(shape)


def scale_channels(op: str, arguments: dict[str, Any], scale: Tensor) -> Tensor:
    """Return a convolution's weight with every channel that it makes scaled; `scale` is [out]."""
    weight: Tensor = arguments["weight"]
    ones = (1,) * (weight.dim() - 2)
    if not is_transposed(op, arguments):
        return weight * scale.view(-1, 1, *ones)
    groups = arguments.get("groups", 1)
    blocks = weight.reshape(groups, -1, *weight.shape[1:]) * scale.view(groups, 1, -1, *ones)
    return blocks.flatten(0, 1)
